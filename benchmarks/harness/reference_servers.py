"""What the model server is compared with: a naive server, and gRPC servers that do nothing.

    python benchmarks/harness/reference_servers.py naive --model FOLDER --port 8500

- naive: what one writes first. A thread pool; per request `make_ndarray`, one
  call of the SavedModel's signature, `make_tensor_proto`.
- empty-threads, empty-asyncio: answer every Predict with an empty message, the
  floor of gRPC in Python with either server.
- empty-queue: the same on serving/model_server/api/unary_calls.py, which the model
  server uses instead.

They are fixed: a comparison over time must compare with the same.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

_WORKERS = 10  # the number in gRPC's own examples
_OPTIONS = (("grpc.max_receive_message_length", 2**31 - 1), ("grpc.max_send_message_length", 2**31 - 1))


def naive(model: str, port: int) -> None:
    import scann  # noqa: F401 (registers its operations)
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    signatures = tf.saved_model.load(model).signatures

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
            function = signatures[request.model_spec.signature_name or "serving_default"]
            inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
            response = predict_pb2.PredictResponse()
            for name, value in function(**inputs).items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

    _serve(Servicer(), port)


def empty_threads(port: int) -> None:
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
            return predict_pb2.PredictResponse()

    _serve(Servicer(), port)


def _serve(servicer: Any, port: int) -> None:
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    server = grpc.server(futures.ThreadPoolExecutor(_WORKERS), options=_OPTIONS)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(None))
    server.wait_for_termination()


async def empty_asyncio(port: int) -> None:
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
            return predict_pb2.PredictResponse()

    server = grpc.aio.server(options=_OPTIONS)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(None)


async def empty_queue(port: int) -> None:
    # Before this folder, in which serving.py hides the package.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tensorflow_serving.apis import predict_pb2

    from serving.model_server.api.unary_calls import Call, Reply, UnaryCalls

    async def predict(raw: bytes, call: Call) -> Reply:
        predict_pb2.PredictRequest.FromString(raw)
        return Reply(predict_pb2.PredictResponse().SerializeToString())

    server = grpc.server(futures.ThreadPoolExecutor(1), options=_OPTIONS)
    calls = UnaryCalls(server, {"/tensorflow.serving.PredictionService/Predict": predict})
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    calls.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await asyncio.to_thread(server.stop(None).wait)
    await calls.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("naive", "empty-threads", "empty-asyncio", "empty-queue"))
    parser.add_argument("--model", help="a SavedModel's folder")
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    if args.kind == "naive":
        naive(args.model, args.port)
    elif args.kind == "empty-threads":
        empty_threads(args.port)
    else:
        import uvloop

        uvloop.run((empty_asyncio if args.kind == "empty-asyncio" else empty_queue)(args.port))


if __name__ == "__main__":
    main()
