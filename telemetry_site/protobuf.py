"""Messages of protocol buffers that no package brings, described by their public numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field: Any = descriptor_pb2.FieldDescriptorProto
DOUBLE, INT32, INT64 = _Field.TYPE_DOUBLE, _Field.TYPE_INT32, _Field.TYPE_INT64
BYTES, STRING = _Field.TYPE_BYTES, _Field.TYPE_STRING


def field(name: str, number: int, kind: Any, repeats: bool = False) -> Any:
    """`kind` is one of the types above, or the name of a message of the same package."""
    label = _Field.LABEL_REPEATED if repeats else _Field.LABEL_OPTIONAL
    if isinstance(kind, str):
        return _Field(
            name=name, number=number, type=_Field.TYPE_MESSAGE, label=label, type_name=kind
        )
    return _Field(name=name, number=number, type=kind, label=label)


def message_class(package: str, messages: Mapping[str, Sequence[Any]], wanted: str) -> Any:
    """The class of the message `wanted`; fields that are not told of are skipped in reading."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package.replace('.', '/')}.proto", package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        file.message_type.add(name=name).field.extend(fields)
    for message in file.message_type:
        for one in message.field:
            if one.type_name:
                one.type_name = f".{package}.{one.type_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{wanted}"))
