from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audio_genre.cli import app
from audio_genre.errors import ParameterError
from audio_genre.training.backend import _quiet_stderr, import_keras, require_keras

WRAPPED = """
try:
    raise ImportError("libfoo.so.1: cannot open shared object file")
except ImportError:
    raise ImportError("Traceback (most recent call last):\\n ...\\n\\nFailed to load the native runtime.\\nSee ...")
"""


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


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Hide a package as if it were not installed."""
    find_spec = importlib.util.find_spec

    def hide(package: str) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else find_spec(name))

    return hide


@pytest.mark.parametrize(("package", "name"), [("tensorflow", "TensorFlow"), ("keras", "Keras")])
@pytest.mark.parametrize("function", [require_keras, import_keras])
def test_a_missing_package_is_named_with_its_extra(without, function, package: str, name: str) -> None:
    without(package)
    with pytest.raises(
        ParameterError,
        match=rf'needs {name}, which is not installed; run `pip install "tensorflow>=2\.18"`\.$',
    ):
        function()


@pytest.mark.parametrize(
    "command",
    [
        ["train", "tabular", "no-table.csv", "models"],
        ["train", "pictures", "no-pictures", "models"],
        ["demo", "folder"],
    ],
    ids=" ".join,
)
def test_commands_ask_for_the_extra_before_they_read_or_write(
    without, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    without("tensorflow")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("audio-genre: Training a network needs TensorFlow")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ImportError('DLL load failed while importing x.')", "ImportError: DLL load failed while importing x"),
        ("raise TypeError('Descriptors cannot be created.\\nAdvice.')", "TypeError: Descriptors cannot be created"),
        ("raise OSError", "OSError"),
        (WRAPPED, "ImportError: libfoo.so.1: cannot open shared object file"),
    ],
    ids=["library", "protobuf", "silent", "wrapped"],
)
def test_a_package_that_cannot_be_loaded_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    (tmp_path / "tensorflow.py").write_text(body)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for variable in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
    for name in ("tensorflow", "keras"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ParameterError) as caught:
        import_keras()
    assert str(caught.value) == (
        f"TensorFlow is installed but cannot be loaded ({reason}); fix that, or run "
        "`pip install --force-reinstall tensorflow`."
    )
