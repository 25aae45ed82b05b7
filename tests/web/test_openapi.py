"""The API against its own description: whatever is asked of it, it answers as it says, and never fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import library_helpers as helpers
import schemathesis
from model_folders import write_model
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from audio_genre.web.app import create_app
from audio_genre.web.settings import Settings

BASE = "http://127.0.0.1:8000"
TOKEN = "x-audio-genre-token"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("served")
    write_model(folder / "models" / "one")
    helpers.touch(folder / "music" / "a" / "x.wav")
    settings = Settings(8000, models=folder / "models", music=folder / "music", max_bytes=2**16, jobs=1)
    with (
        pytest.MonkeyPatch.context() as patch,
        TestClient(create_app(settings), base_url=BASE, raise_server_exceptions=False) as client,
    ):
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        client.headers[TOKEN] = client.get("/api/session").json()["token"]
        yield client


@pytest.fixture(scope="module")
def description(client: TestClient) -> Any:
    return schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())


OPERATIONS = [
    ("/api/session", "GET"),
    ("/api/clips", "POST"),
    ("/api/model", "GET"),
    ("/api/model", "PUT"),
    ("/api/models", "GET"),
    ("/api/models/{name}", "GET"),
    ("/api/models/{name}/confusion.png", "GET"),
    ("/api/report", "POST"),
    ("/api/library/folders", "GET"),
    ("/api/library/tracks", "GET"),
    ("/api/library/audio", "GET"),
    ("/api/library/genres", "PUT"),
    ("/api/library/task", "GET"),
    ("/api/library/task", "POST"),
    ("/api/library/task", "DELETE"),
    ("/api/spotify", "GET"),
    ("/api/spotify", "DELETE"),
    ("/api/spotify/login", "POST"),
    ("/api/spotify/songs", "GET"),
    ("/api/spotify/genres", "PUT"),
    ("/api/spotify/sources", "GET"),
    ("/api/spotify/tables/{role}", "PUT"),
    ("/api/spotify/task", "GET"),
    ("/api/spotify/task", "POST"),
    ("/api/spotify/task", "DELETE"),
]


def test_all_operations_are_asked(description: Any) -> None:
    found = [(each.ok().path, each.ok().method.upper()) for each in description.get_all_operations()]
    assert sorted(found) == sorted(OPERATIONS)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_it_answers_as_it_says(
    client: TestClient, description: Any, path: str, method: str, mode: GenerationMode
) -> None:
    """A request as described is answered as described; one that is not is refused, and so are files of no audio."""
    operation = description[path][method]
    if mode.is_negative and not (operation.body or operation.query):
        pytest.skip("nothing in it can be malformed")

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(max_examples=8, suppress_health_check=list(hypothesis.HealthCheck))
    def ask(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url=BASE, headers={TOKEN: client.headers[TOKEN]})
        sent["content"] = sent.pop("data", None)
        assert not sent.pop("cookies")
        case.validate_response(client.request(**sent), excluded_checks=[positive_data_acceptance])

    ask()
