"""What an operator sets: arguments of `marquee app`, or variables MARQUEE_APP_NAME."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

import contract
from serving.app.results import ConfiguredExperiment

ENV_PREFIX = "MARQUEE_APP_"
DEFAULT_DATABASE = "sqlite:///artifacts/app/app.sqlite"


class Settings(BaseSettings):
    """Settings of one process. An environment variable has the field's name behind MARQUEE_APP_."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    model_server: str = Field(default="127.0.0.1:8500", description="gRPC address of the model server")
    model_files: str = Field(
        default="http://127.0.0.1:8501",
        description="where a version's catalogue is read: the model server's REST address, or the folder "
        "that holds MODEL/VERSION where the server is TensorFlow's own",
    )
    model: str = Field(default=contract.MODEL, description="name of the model")
    label: str = Field(default="", description="version label to ask; empty for the newest version")
    timeout_ms: int = Field(
        default=1000,
        ge=10,
        le=60_000,
        description="deadline of one answer of the model server, retries included",
    )
    poll_s: float = Field(
        default=1.0, gt=0, le=60, description="seconds between looks at which version is served"
    )

    database: SecretStr = Field(
        default=SecretStr(DEFAULT_DATABASE),
        description="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; give a password by the variable",
    )
    pool_size: int = Field(default=8, ge=1, le=100, description="connections to the database")

    keys: Literal["required", "off"] = Field(
        default="required", description="whether the API wants keys; off only on a loopback address"
    )
    known_users: bool = Field(
        default=False,
        description="show what the model knows of users of the training data (it shows that data)",
    )
    reports: str = Field(
        default="",
        description="folder of the runs' reports (`reports` in the pipeline's artifacts), which the page of "
        "the model links to (they show training data); empty for none",
    )
    progress_file: str = Field(
        default="",
        description="what `marquee run --progress` writes: the page shows it while there is no model yet",
    )
    experiment: ConfiguredExperiment | None = Field(
        default=None,
        description="JSON of the experiment to run from this start on, as POST /v1/experiments takes it, or "
        'with "running": false to end it; admin calls may change it until the next start',
    )
    cors_origins: tuple[str, ...] = Field(default=(), description="origins that browsers may call from; none")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses whose X-Forwarded-For is believed, such as an ingress's"
    )
    rate_limit: str = Field(default="600/minute", description="requests of a key")
    address_limit: str = Field(
        default="1200/minute",
        description="requests of an address, whatever its keys; as many again for the page's files",
    )
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=2**20, description="of a request; a batch of 1,000 events has some 200 kB"
    )
    otlp_endpoint: str = Field(default="", description="OTLP/HTTP endpoint for traces; empty for none")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("experiment", mode="before")
    @classmethod
    def _read_experiment(cls, value: object) -> object:
        """What could be read as JSON comes as a dictionary; a text is what could not."""
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None  # as with the other settings
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"it is not JSON ({error}): expected what POST /v1/experiments takes, as in "
                '{"id": "towers-2", "variants": [{"name": "control"}, {"name": "new", "label": "canary"}]}'
            ) from error

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: SecretStr) -> SecretStr:
        scheme = value.get_secret_value().partition(":")[0]
        if scheme.partition("+")[0] not in ("sqlite", "postgresql", "postgres"):
            raise ValueError(
                f"a database of kind {scheme!r} is not supported: "
                "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
            )
        return value
