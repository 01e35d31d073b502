"""gRPC and REST of one process: opened when its models answer, drained when it ends."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import time

import grpc

from serving.model_server.api import grpc_service, rest_service
from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.large_requests import ByteBudget
from serving.model_server.execution.predict import DataPlane
from serving.model_server.listening import connections
from serving.model_server.observe import certificates
from serving.model_server.observe.access_log import AccessLog
from serving.model_server.observe.metrics import Metrics
from serving.model_server.observe.request_log import RequestLog
from serving.model_server.process import ports
from serving.model_server.process.options import ServerOptions
from serving.model_server.versions.servables import Manager

_log = logging.getLogger(__name__)

# TensorFlow Serving's limit of a message.
_MAX_MESSAGE = 2**31 - 1
# Calls that gRPC holds before it cancels some: an overload is to be answered by
# the full queue, with UNAVAILABLE.
_MAX_PENDING = 20_000


class Frontend:
    """What answers requests in this process.

    Args:
      options: ports, TLS, batching, logs.
      manager: which versions answer.
      metrics: counts requests.
    """

    def __init__(self, options: ServerOptions, manager: Manager, metrics: Metrics) -> None:
        self._options = options
        self._share_ports = options.workers > 1
        if options.tls is not None and (expires := certificates.expires(options.tls.server_cert)):
            metrics.set_certificate(expires)
        self._batcher = Batcher(batching_options(options), metrics)
        self._request_log = RequestLog()
        self._access_log = AccessLog(options.access_log) if options.access_log else None
        manager.on_config(self._request_log.configure)
        data_plane = DataPlane(
            manager, self._batcher, metrics, self._request_log, options.enable_signature_method_name_check
        )
        budget = ByteBudget(options.max_pending_request_bytes)

        def services(options: ServerOptions) -> grpc_service.GrpcServices:
            return grpc_service.GrpcServices(
                self._channel_options(), data_plane, manager, options, budget, self._access_log
            )

        self._services = services(options)
        self._admin: grpc_service.GrpcServices | None = None
        if options.admin_socket_path:
            self._admin = services(dataclasses.replace(options, allow_config_reload=True))
        app = rest_service.create_app(data_plane, manager, metrics, options, budget, self._access_log)
        self._rest = rest_service.create_runner(app, grace_seconds=options.shutdown_grace_seconds)

    def reopen_logs(self) -> None:
        """Log files that were renamed are begun anew."""
        if self._access_log is not None:
            self._access_log.reopen()

    async def start(self) -> None:
        """Opens the ports.

        Raises:
          PortInUseError: one cannot be opened.
        """
        options = self._options
        if options.port:
            self._listen(f"{_bracketed(options.host)}:{options.port}")
        if options.grpc_socket_path:
            self._listen(f"unix:{options.grpc_socket_path}")
        if options.port or options.grpc_socket_path:
            await self._services.start()
        if self._admin is not None:
            await self._start_admin(self._admin, f"unix:{options.admin_socket_path}")
        if options.rest_api_port:
            await self._rest.setup()
            opened = ports.open_port(options.host, options.rest_api_port, self._share_ports)
            await connections.serve(self._rest, opened, options.max_connections)
        self._services.set_serving()

    async def stop(self, grace_s: float) -> None:
        """Takes no new requests, answers those under way, closes.

        Args:
          grace_s: seconds after which what still runs is cut off.
        """
        started = time.monotonic()
        admin = [] if self._admin is None else [self._admin.stop(grace_s)]
        await asyncio.gather(self._services.stop(grace_s), self._rest.cleanup(), *admin)
        if time.monotonic() - started >= grace_s > 0:
            _log.warning("requests still ran after %g s and were cut off", grace_s)
        self._batcher.close()
        self._request_log.close()
        if self._access_log is not None:
            self._access_log.close()

    def _channel_options(self) -> list[tuple[str, int | str]]:
        ours: dict[str, int | str] = {
            "grpc.max_receive_message_length": min(self._options.grpc_max_message_bytes, _MAX_MESSAGE),
            "grpc.max_send_message_length": _MAX_MESSAGE,
            # Connections that nobody uses, and those that never became any, hold descriptors.
            "grpc.max_connection_idle_ms": 300_000,
            "grpc.server_handshake_timeout_ms": 20_000,
            "grpc.so_reuseport": int(self._share_ports),
            "grpc.server.max_pending_requests": _MAX_PENDING,
            "grpc.server.max_pending_requests_hard_limit": _MAX_PENDING,
        }
        return list({**ours, **dict(self._options.channel_arguments)}.items())

    async def _start_admin(self, admin: grpc_service.GrpcServices, address: str) -> None:
        # For the server's user alone: file rights are who may reload.
        umask = os.umask(0o177)
        try:
            admin.ports.add_insecure_port(address)
        except (RuntimeError, ValueError) as error:
            raise ports.PortInUseError(f"gRPC cannot listen on {address}: {error}") from error
        finally:
            os.umask(umask)
        await admin.start()

    def _listen(self, address: str) -> None:
        tls = self._options.tls
        try:
            if tls is None:
                self._services.ports.add_insecure_port(address)
                return
            credentials = grpc.ssl_server_credentials(
                [(tls.server_key.encode(), tls.server_cert.encode())],
                root_certificates=tls.custom_ca.encode() or None,
                require_client_auth=tls.client_verify,
            )
            self._services.ports.add_secure_port(address, credentials)
        except (RuntimeError, ValueError) as error:
            raise ports.PortInUseError(f"gRPC cannot listen on {address}: {error}") from error


def batching_options(options: ServerOptions) -> BatchingOptions:
    """How requests are batched: never, by the file, or what queues up for our signatures."""
    return BatchingOptions.of(
        options.enable_batching,
        options.batching,
        options.max_queued_requests,
        options.workers,
        options.max_request_rows,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
