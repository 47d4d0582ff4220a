"""The examples of the README, as they stand there but for addresses."""

from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def example(language, **replacements):
    """The first block in that language. Each replacement must have something to replace: a port, by its number."""
    text = README.read_text().split(f"```{language}\n", 1)[1].split("```", 1)[0]
    for written, real in replacements.items():
        written = written.replace("port", "http://localhost:")
        assert written in text, f"{written} is not in the example"
        text = text.replace(written, real)
    return text
