"""The application's commands: serve, migrate, keys. What is heavy is imported inside."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

    from serving.app.settings import Settings

# Arguments that are settings, with their metavar; the other settings are variables only.
_SETTINGS = {
    "model_server": "ADDRESS, gRPC address of the model server (default 127.0.0.1:8500)",
    "model_files": "URL, its REST address, or the folder of its models (default http://127.0.0.1:8501)",
    "model": "NAME, of the model (default marquee)",
    "label": "LABEL, of the version to ask (default: the newest)",
    "database": "URL, sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME "
    "(default sqlite:///artifacts/app/app.sqlite)",
}
# For which a thread at work may hold the interpreter's lock while the event loop waits: five times less than
# Python's own, which is what a list would be late by.
_SWITCH_SECONDS = 0.001


class CommandError(Exception):
    """What the user can mend; the text says how."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `marquee app` and `python -m serving.app`."""
    _add_settings(parser, None)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="(default %(default)s)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument(
        "--no-keys", action="store_true", help="the API wants no keys; on a loopback address only"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="instead of serving")
    _add_action(actions, "migrate", "app migrate", "Bring the database to the tables of this version.")
    keys = actions.add_parser("keys", help="Make, list, rotate and revoke API keys.")
    kinds = keys.add_subparsers(dest="keys_action", metavar="ACTION", required=True)
    create = _add_action(
        kinds, "create", "app keys create shop-frontend --scope read --scope write", "Make a key, shown once."
    )
    create.add_argument("name", help="whose it is")
    create.add_argument(
        "--scope",
        action="append",
        choices=("read", "write", "metrics", "admin"),
        help="what it may; may be repeated (default: read)",
    )
    create.add_argument("--days", type=float, metavar="N", help="until it expires (default: never)")
    _add_action(kinds, "list", "app keys list", "Keys, without their secrets.")
    rotate = _add_action(
        kinds,
        "rotate",
        "app keys rotate 3f2a9c1d5e7b8a60",
        "Make a key in place of another, which lives on a while.",
    )
    rotate.add_argument("id")
    rotate.add_argument(
        "--overlap-hours", type=float, default=24.0, metavar="N", help="(default %(default)s)"
    )
    revoke = _add_action(
        kinds, "revoke", "app keys revoke 3f2a9c1d5e7b8a60", "Delete a key; it is refused within seconds."
    )
    revoke.add_argument("id")


def _add_action(actions: Any, name: str, example: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  marquee {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document on stdout"
    )
    # Behind the action as well as before it.
    _add_settings(parser, argparse.SUPPRESS, ("database",))
    return parser


def _add_settings(
    parser: argparse.ArgumentParser, default: str | None, names: Sequence[str] = tuple(_SETTINGS)
) -> None:
    for name in names:
        words = _SETTINGS[name]
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=words.partition(",")[0],
            default=default,
            help=f"{words.partition(', ')[2]}; also MARQUEE_APP_{name.upper()}",
        )


def run(args: argparse.Namespace) -> int:
    """Runs the action.

    Raises:
      CommandError: a setting, a database or a key that cannot be.
    """
    settings = _settings(args)
    if args.action == "migrate":
        return _migrate(settings)
    if args.action == "keys":
        return asyncio.run(_keys(settings, args))
    return _serve(settings, args)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m serving.app", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON documents on stdout")
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def app() -> FastAPI:
    """The application with the settings of the environment, for worker processes."""
    from serving import collector
    from serving.app.edge import logs
    from serving.app.factory import create_app
    from serving.app.settings import Settings

    settings = Settings()
    logs.configure(settings.log_level)
    made = create_app(settings)
    collector.settle()
    sys.setswitchinterval(_SWITCH_SECONDS)
    return made


def _settings(args: argparse.Namespace) -> Settings:
    from pydantic import ValidationError

    from serving.app.settings import ENV_PREFIX, Settings

    given: dict[str, Any] = {name: value for name in _SETTINGS if (value := getattr(args, name)) is not None}
    if args.no_keys:
        given["keys"] = "off"
    try:
        settings = Settings(**given)
        if settings.keys == "off" and not _loopback(args.host):
            raise CommandError(
                f"without keys the API answers anybody; {args.host} is no loopback address. "
                "Leave --no-keys out, or listen on 127.0.0.1"
            )
    except ValidationError as error:
        names = (".".join(map(str, one["loc"])).upper() for one in error.errors())
        words = (one["msg"].removeprefix("Value error, ") for one in error.errors())
        told = "; ".join(f"{ENV_PREFIX}{name}: {each}" for name, each in zip(names, words, strict=True))
        raise CommandError(told) from None
    return settings


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _serve(settings: Settings, args: argparse.Namespace) -> int:
    import uvicorn

    from serving.app.settings import ENV_PREFIX

    _check_database(settings)
    if args.workers > 1:
        # Where the processes' metrics are added up; read when prometheus_client is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="marquee-app-metrics-")
    # Workers are processes of their own: they read the settings from the environment.
    for name, value in settings.model_dump(exclude_unset=True).items():
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        os.environ[f"{ENV_PREFIX}{name.upper()}"] = text if isinstance(text, str) else json.dumps(text)
    address = f"http://{args.host}:{args.port}"
    line = {"address": address, "openapi": f"{address}/v1/openapi.json"}
    print(json.dumps(line) if args.json else f"app    {address}", flush=True)
    uvicorn.run(
        "serving.app.command:app",
        factory=True,
        host=args.host,
        port=args.port,
        workers=args.workers,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=30,
    )
    return 0


def _check_database(settings: Settings) -> None:
    """SQLite is brought up to date here; a shared PostgreSQL by `migrate`, once, before the new version."""
    from sqlalchemy.exc import SQLAlchemyError

    from serving.app.store import migrate

    url = settings.database.get_secret_value()
    try:
        if url.startswith("sqlite"):
            migrate.upgrade(url)
        elif pending := migrate.pending(url):
            raise CommandError(
                f"the database lacks the migrations {', '.join(pending)}: run `marquee app migrate` first"
            )
    except (SQLAlchemyError, ValueError) as error:
        raise CommandError(f"the database: {error}".partition("\n")[0]) from error


def _migrate(settings: Settings) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from serving.app.store import migrate

    url = settings.database.get_secret_value()
    try:
        ran = migrate.pending(url)
        migrate.upgrade(url)
    except (SQLAlchemyError, ValueError) as error:
        raise CommandError(f"the database: {error}".partition("\n")[0]) from error
    print(f"ran {', '.join(ran)}" if ran else "the database is up to date")
    return 0


async def _keys(settings: Settings, args: argparse.Namespace) -> int:
    from serving.app.errors import NotFoundError
    from serving.app.store.database import Database
    from serving.app.store.keys import Keys

    _check_database(settings)
    database = Database(settings.database.get_secret_value(), 1)
    keys = Keys(database)
    try:
        if args.keys_action == "create":
            key, text = await keys.create(args.name, args.scope or ["read"], args.days)
            _print_new(args, key, text)
        elif args.keys_action == "rotate":
            key, text = await keys.rotate(args.id, args.overlap_hours)
            _print_new(args, key, text)
        elif args.keys_action == "revoke":
            key = await keys.revoke(args.id)
            print(json.dumps(_shown(key)) if args.json else f"revoked {key.id} ({key.name})")
        else:
            found = [_shown(key) for key in await keys.all()]
            print(json.dumps(found) if args.json else "\n".join(map(_line, found)) or "no keys")
    except NotFoundError as error:
        raise CommandError(error.detail) from None
    finally:
        await database.close()
    return 0


def _print_new(args: argparse.Namespace, key: Any, text: str) -> None:
    if args.json:
        print(json.dumps({**_shown(key), "key": text}))
        return
    print(text)
    print(f"id {key.id}, scopes {', '.join(key.scopes)}; it is not shown again", file=sys.stderr)


def _shown(key: Any) -> dict[str, Any]:
    return {
        "id": key.id, "name": key.name, "scopes": list(key.scopes), "created": key.created,
        "expires": key.expires,
    }  # fmt: skip


def _line(key: dict[str, Any]) -> str:
    expires = "never expires" if key["expires"] is None else f"expires at {key['expires']}"
    return f"{key['id']}  {','.join(key['scopes']):<16} {expires:<24} {key['name']}"
