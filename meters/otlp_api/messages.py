"""Requests and answers of OTLP/HTTP in both of its encodings: binary protobuf, and JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from meters.api.bodies import check_depth
from telemetry_site.protobuf import INT32, STRING, field, message_class

PROTOBUF, JSON = "application/x-protobuf", "application/json"
#: google.rpc.Status, the body of each error; details are never sent.
Status = message_class(
    "telemetry.rpc", {"Status": [field("code", 1, INT32), field("message", 2, STRING)]}, "Status"
)
#: google.rpc.Code by HTTP's status.
_CODES = {
    400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 406: 3, 411: 3, 413: 8, 415: 3, 429: 8, 501: 12,
    503: 14, 504: 4,
}  # fmt: skip
_INTERNAL = 13
LONGEST_MESSAGE = 2_000


class OtlpError(ValueError):
    """What came is no `ExportMetricsServiceRequest`."""


def decode(body: bytes, media_type: str) -> Any:
    """The request. Raises `OtlpError`, and `InvalidBodyError` for what is nested too deep."""
    request = ExportMetricsServiceRequest()
    try:
        if media_type == JSON:
            _read_json(body, request)
        else:
            request.ParseFromString(body)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise OtlpError(f"The body is no ExportMetricsServiceRequest: {error}") from error
    return request


def _read_json(body: bytes, request: Any) -> None:
    """Fields that are not known are left out, as the protocol wants it."""
    check_depth(body)
    try:
        data = msgspec.json.decode(body)
    except msgspec.MsgspecError as error:
        raise OtlpError(f"The body is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise OtlpError("The body is no JSON object.")
    json_format.ParseDict(data, request, ignore_unknown_fields=True)


def encode(message: Message, media_type: str) -> bytes:
    if media_type == JSON:
        text: str = json_format.MessageToJson(message, indent=None)
        return text.encode()
    encoded: bytes = message.SerializeToString()
    return encoded


def response(rejected: int, reason: str) -> Message:
    """Without a reason all was taken."""
    message: Message = ExportMetricsServiceResponse()
    if reason:
        message.partial_success.rejected_data_points = rejected
        message.partial_success.error_message = reason[:LONGEST_MESSAGE]
    return message


def status(http_status: int, words: str) -> Message:
    message: Message = Status(
        code=_CODES.get(http_status, _INTERNAL), message=words[:LONGEST_MESSAGE]
    )
    return message
