"""The page of the model server's flags."""

from __future__ import annotations

from typing import Any

from pipeline.reference.markdown import code, escape, heading, page, paragraph, table


def server_flags_page() -> str:
    """Markdown: TensorFlow Serving's flags, Marquee's, and those that change nothing."""
    from serving.model_server.process.options import FLAGS, NOT_HONOURED

    def rows(own: bool) -> list[tuple[str, str, str]]:
        return [
            (code(f"--{flag.name}"), code(_written(flag.default)), escape(flag.metadata["text"]))
            for flag in FLAGS
            if flag.metadata["own"] == own
        ]

    header = ("flag", "default", "meaning")
    return page(
        heading("Model server flags", "`serving/model_server/process/options.py`"),
        paragraph(
            "Of `python -m serving.model_server`, as `--flag=value` or `--flag value`; an unknown flag is an "
            "error. `marquee serve --flag NAME=VALUE` passes any of them on. Without flags, `MODEL_NAME` and "
            "`MODEL_BASE_PATH` of the environment name the model, as in TensorFlow Serving's image."
        ),
        "## TensorFlow Serving's",
        table(header, rows(own=False)),
        "## Marquee's own",
        table(header, rows(own=True)),
        "## Accepted without effect",
        paragraph("With a warning where the value asks for something."),
        table(
            ("flag", "why"), [(code(f"--{name}"), escape(why)) for name, (_, _, why) in NOT_HONOURED.items()]
        ),
        paragraph(
            "`--use_alts_credentials` is refused rather than ignored: use `--ssl_config_file` for TLS."
        ),
    )


def _written(default: Any) -> str:
    """As it is typed."""
    return str(default).lower() if isinstance(default, bool) else "" if default is None else str(default)
