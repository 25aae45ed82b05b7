from __future__ import annotations

import os

import pytest

from audio_genre.training.backend import _quiet_stderr


@pytest.mark.parametrize(
    ("error", "shown"), [(None, ""), (ImportError, "from C++"), (KeyboardInterrupt, ""), (SystemExit, "")]
)
def test_held_back_output_is_shown_after_a_failure_only(
    capfd: pytest.CaptureFixture[str], error: type[BaseException] | None, shown: str
) -> None:
    def body() -> None:
        with _quiet_stderr():
            os.write(2, b"from C++")
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(error):
            body()
    assert capfd.readouterr().err == shown
    os.write(2, b"again")
    assert capfd.readouterr().err == "again"
