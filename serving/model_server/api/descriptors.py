"""Describes the services to reflection.

The generated modules that hold their descriptors (prediction_service_pb2,
model_service_pb2) are of a protobuf so old that they no longer import.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import Message


def register(file: str, service: str, methods: Mapping[str, tuple[type[Message], type[Message]]]) -> None:
    """Adds a service to the descriptors of this process, unless it is there.

    Args:
      file: the proto file that defines it.
      service: its full name.
      methods: name -> request and response.
    """
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(service)
    except KeyError:
        pass
    else:
        return
    package, _, name = service.rpartition(".")
    described = descriptor_pb2.FileDescriptorProto(name=file, package=package, syntax="proto3")
    messages = {message.DESCRIPTOR for pair in methods.values() for message in pair}
    described.dependency.extend(sorted({message.file.name for message in messages}))
    added = described.service.add(name=name)
    for method, (request, response) in methods.items():
        added.method.add(
            name=method,
            input_type=f".{request.DESCRIPTOR.full_name}",
            output_type=f".{response.DESCRIPTOR.full_name}",
        )
    pool.Add(described)
