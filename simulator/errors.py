"""Error bodies as vLLM 0.32 words them: its own checks, and those of pydantic behind FastAPI."""

from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from simulator.events import dumps


class ApiError(Exception):
    """A refused request; `kind` is the error's `type`."""

    def __init__(self, status: int, message: str, kind: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param = status, message, kind, param

    def body(self) -> dict[str, Any]:
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.status}

    def response(self) -> Response:
        return json_response({"error": self.body()}, self.status)


class GenerationError(ApiError):
    """The engine ended a request with the finish reason error, after a failed load of its KV cache for example."""

    def __init__(self) -> None:
        super().__init__(500, "Internal server error", "InternalServerError")


class ValidationError(Exception):
    """What pydantic raises when vLLM 0.32 makes an event of a GenerationError: none of its event types is an error."""

    def __init__(self) -> None:
        super().__init__(
            "103 validation errors for union[ResponseCreatedEvent,ResponseInProgressEvent,ResponseCompletedEvent,…]\n"
            "ResponseCreatedEvent.response\n"
            "  Field required [type=missing, input_value={'error': {'message': 'In...am': None, 'code': 500}}, "
            "input_type=dict]"
        )


ValidationError.__module__ = "pydantic_core._pydantic_core"  # as a traceback names it


def json_response(content: Any, status: int = 200) -> Response:
    return Response(dumps(content), status, media_type="application/json")


def rejected(message: str, param: str, value: object = None) -> ApiError:
    """vLLM's VLLMValidationError: the parameter and its value are part of the message."""
    suffix = f"parameter={param}" + ("" if value is None else f", value={value}")
    return ApiError(400, f"{message} ({suffix})", "BadRequestError", param)


def invalid(errors: list[dict[str, Any]]) -> ApiError:
    """FastAPI's RequestValidationError, at most ten entries, `loc` already dotted."""
    count = len(errors)
    label = "error" if count == 1 else "errors"
    lines = [f"{count} validation {label}:", *(f"  {error}" for error in errors[:10])]
    if count > 10:
        lines.append(f"  ...and {count - 10} more {label}")
    return ApiError(400, "\n".join(lines), HTTPStatus.BAD_REQUEST.phrase, errors[0]["loc"])


def summary(value: Any) -> Any:
    """What is shown of the offending value: containers only by their size."""
    if isinstance(value, dict | list):
        return f"<{type(value).__name__} of {len(value)} items>"
    return value if isinstance(value, str) else str(value)


def literal(loc: str, choices: list[str], value: Any) -> dict[str, Any]:
    quoted = [repr(choice) for choice in choices]
    expected = " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]
    message = f"Input should be {expected}"
    ctx = {"expected": expected}
    return {"type": "literal_error", "loc": loc, "msg": message, "input": summary(value), "ctx": ctx}


def missing(loc: str, value: Any) -> dict[str, Any]:
    return {"type": "missing", "loc": loc, "msg": "Field required", "input": summary(value)}


def not_an_object(loc: str, value: Any) -> dict[str, Any]:
    message = "Input should be a valid dictionary or object to extract fields from"
    return {"type": "model_attributes_type", "loc": loc, "msg": message, "input": summary(value)}


def wrong_type(loc: str, kind: str, value: Any) -> dict[str, Any]:
    """`kind` is int, float, bool or string."""
    nouns = {"int": "integer", "float": "number", "bool": "boolean", "string": "string"}
    message, code = f"Input should be a valid {nouns[kind]}", f"{kind}_type"
    if isinstance(value, str) and kind in ("int", "float"):
        message += f", unable to parse string as {'an integer' if kind == 'int' else 'a number'}"
        code = f"{kind}_parsing"
    if isinstance(value, str) and kind == "bool":
        message, code = f"{message}, unable to interpret input", "bool_parsing"
    return {"type": code, "loc": loc, "msg": message, "input": summary(value)}
