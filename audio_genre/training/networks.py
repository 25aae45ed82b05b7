"""The networks on pictures by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from audio_genre.errors import ParameterError
from audio_genre.training.cnn import CnnSettings
from audio_genre.training.own import own_settings
from audio_genre.training.picture_network import PictureNetwork
from audio_genre.training.transformer import TransformerSettings

NETWORKS: MappingProxyType[str, PictureNetwork] = MappingProxyType(
    {network.kind: network for network in (CnnSettings(), TransformerSettings())}
)
"""Every network on pictures, with its default settings."""


def get_networks(names: str) -> tuple[PictureNetwork, ...]:
    """Return the networks of names with commas between them, or all of them.

    Examples
    --------
    >>> [network.name for network in get_networks("all")]
    ['cnn', 'transformer']
    """
    chosen = list(NETWORKS) if names == "all" else list(dict.fromkeys(name.strip() for name in names.split(",")))
    for name in chosen:
        if name not in NETWORKS:
            raise ParameterError(f"The network {name!r} is unknown; choose one of {', '.join(NETWORKS)} or all.")
    return tuple(NETWORKS[name] for name in chosen)


def own_network(networks: Sequence[PictureNetwork], given: Mapping[str, Any]) -> PictureNetwork | None:
    """Return a network with other values for options of the command line, None counting as not given; None if none is.

    Examples
    --------
    >>> own_network(get_networks("transformer"), {"width": 32, "filters": None}).name
    'transformer-width-32'
    """
    given = {option: value for option, value in given.items() if value is not None}
    for option in given:
        if len(networks) > 1:
            raise ParameterError(f"--{option} changes one network, and --network names {len(networks)}; name one.")
        if option not in networks[0].options:
            raise ParameterError(
                f"--{option} is not for the network {networks[0].kind}, which has "
                f"{', '.join(f'--{each}' for each in networks[0].options)}; leave it out."
            )
    return own_settings(networks[0], networks[0].options, given) if given else None
