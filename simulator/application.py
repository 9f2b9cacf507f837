"""The ASGI application: routes, middlewares and error handlers of a vLLM API server."""

import asyncio
import hashlib
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulator import VERSION, bending, chat_api, responses_api
from simulator.bodies import Body, Json, chat_body, read_json, responses_body
from simulator.engine_client import EngineClient, EngineDeadError
from simulator.errors import ApiError, json_response
from simulator.events import EventStream
from simulator.faults import CONDITIONS, apply
from simulator.log import log
from simulator.metrics import Metrics
from simulator.options import Options
from simulator.settings import Settings

Check = Callable[[Json, Settings], Body]
Stream = Callable[[Body, Settings, EngineClient], EventStream]
Whole = Callable[[Body, Settings, EngineClient], Coroutine[Any, Any, Json]]

GUARDED = ("/v1", "/v2", "/inference", "/cohere")  # vLLM's GUARDED_PREFIX; all else needs no key
UNCOUNTED = {"/metrics", "/health", "/load", "/ping", "/version", "/server_info"}


class Simulator:
    """Holds what the handlers share. `on_engine_death` is called when a request meets a dead engine."""

    def __init__(self, options: Options, engine: EngineClient) -> None:
        self.options, self.engine = options, engine
        self.load = 0
        self.warm = False
        self.on_engine_death: Callable[[], None] = lambda: None
        settings = options.faulty
        routes = [
            route("/load", self.show_load),
            route("/version", self.version),
            route("/health", self.health),
            route("/metrics", self.metrics),
            route("/v1/models", self.models),
            route("/ping", self.health),
            route("/ping", self.health, "POST"),
            route("/v1/chat/completions", self.chat, "POST"),
            route("/v1/responses", self.responses, "POST"),
            route("/v1/responses/{response_id}", self.stored),
            route("/v1/responses/{response_id}/cancel", self.stored, "POST"),
        ]
        if settings.dialect == "fork":
            routes.append(route("/v1/responses/{response_id}/tool_outputs", self.stored, "POST"))
        middleware = [
            Middleware(CORSMiddleware, allow_origins=[], allow_methods=["*"], allow_headers=["*"]),
            Middleware(HttpMetrics, metrics=engine.metrics, routes=routes),
        ]
        if settings.api_keys:
            middleware.insert(0, Middleware(Authentication, keys=settings.api_keys))
        app: ASGIApp = Starlette(
            routes=routes,
            middleware=middleware,
            exception_handlers={
                HTTPException: plain_error,
                ApiError: lambda request, error: error.response(),
                EngineDeadError: self.engine_dead,
            },
        )
        logs_responses = os.environ.get("VLLM_DEBUG_LOG_API_SERVER_RESPONSE", "").lower() in ("1", "true")
        if settings.log_responses or logs_responses:
            log("WARNING", "register.py:58", CAUTION)
            app = bending.log_responses(app)
        for wrap in settings.wrappers:
            app = wrap(app)
        self.app = app

    def settings_for(self, data: Json, headers: Headers) -> Settings:
        """The faults of the command line if the request meets their condition, or those that the request names."""
        if self.options.fault_header and (named := headers.get("x-simulator-fault")):
            settings = self.options.healthy.copy()
            for spec in named.split(","):
                apply(spec, settings)
            return settings
        hit = CONDITIONS[self.options.condition](data)
        return self.options.faulty if hit else self.options.healthy

    def block(self) -> None:
        """Stop the event loop for good. SIGTERM still ends the process, where a real one would need SIGKILL."""

        def leave(*_: object) -> None:
            self.engine.process.kill()
            os._exit(0)

        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, leave)
        while True:
            time.sleep(3600)

    # Operations

    async def health(self, request: Request) -> Response:
        await asyncio.sleep(self.options.faulty.health_delay)
        return Response(status_code=503 if self.engine.dead else 200)

    async def version(self, request: Request) -> Response:
        return json_response({"version": VERSION})

    async def show_load(self, request: Request) -> Response:
        return json_response({"server_load": self.load})

    async def metrics(self, request: Request) -> Response:
        return Response(generate_latest(self.engine.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def models(self, request: Request) -> Response:
        settings, now = self.options.faulty, int(time.time())
        cards = []
        for name in settings.served_names:
            permission = {
                "id": responses_api.new_id("modelperm-"), "object": "model_permission", "created": now,
                "allow_create_engine": False, "allow_sampling": True, "allow_logprobs": True,
                "allow_search_indices": False, "allow_view": True, "allow_fine_tuning": False, "organization": "*",
                "group": None, "is_blocking": False,
            }  # fmt: skip
            cards.append(
                {"id": name, "object": "model", "created": now, "owned_by": "vllm", "root": settings.model,
                 "parent": None, "max_model_len": settings.max_model_len, "permission": [permission]}
            )  # fmt: skip
        return json_response({"object": "list", "data": cards})

    async def stored(self, request: Request) -> Response:
        """Nothing is ever stored: vLLM's default too."""
        text = f"Response with id '{request.path_params['response_id']}' not found."
        raise ApiError(404, text, "invalid_request_error", "response_id")

    async def engine_dead(self, request: Request, error: Exception) -> Response:
        """vLLM answers and ends the whole server (engine_error_handler)."""
        self.on_engine_death()
        return ApiError(500, str(error), "InternalServerError").response()

    # Generation

    async def responses(self, request: Request) -> Response:
        return await self.generate(request, responses_body, responses_api.stream, responses_api.whole)

    async def chat(self, request: Request) -> Response:
        return await self.generate(request, chat_body, chat_api.stream, chat_api.whole)

    async def generate(self, request: Request, check: Check, stream: Stream, whole: Whole) -> Response:
        data = await read_json(request)
        settings = self.settings_for(data, request.headers)
        if settings.warm_up and not self.warm:
            settings = replace(settings, prefill_seconds=settings.warm_up, busy=True)
        if settings.block_server == "request":
            self.block()
        if settings.http_status:
            raise ApiError(settings.http_status, "The server refuses the request.", "ServiceUnavailableError")
        try:
            body = check(data, settings)
        except ApiError as error:
            if error.kind == "NotFoundError":
                shown = f"message={error.message!r}, type={error.kind!r}, param={error.param!r}, code={error.status}"
                log("ERROR", "serving.py:334", f"Error with model error=ErrorInfo({shown})")
            raise
        self.warm = True  # what was refused compiled nothing
        self.engine.check()
        if settings.log_requests:
            log("INFO", "request_logger.py:65", f"Received request: SamplingParams(max_tokens={body.max_tokens})")
        if body.stream:
            events = self.bend(stream(body, settings, self.engine), settings, body)
            return StreamingResponse(self.encode(events), media_type="text/event-stream")
        self.count(1)
        try:
            return json_response(await unless_gone(request, whole(body, settings, self.engine)))
        finally:
            self.count(-1)

    def bend(self, events: EventStream, settings: Settings, body: Body) -> EventStream:
        """Filters of the faults, then what the fork adds."""
        only_responses = settings.responses_filters if body.api == "responses" else []
        for change in [*settings.filters, *only_responses]:
            events = change(events)
        if settings.dialect == "fork" and not settings.compatibility and body.api == "responses":
            events = bending.with_fork_extras(events)
        if settings.ping_interval and body.api == "responses":
            events = bending.with_pings(events, settings.ping_interval)
        if settings.block_server == "midstream":
            events = self.block_after(events, settings.block_after)
        return events

    async def block_after(self, events: EventStream, count: int) -> EventStream:
        seen = 0
        async for event in events:
            yield event
            seen += 1
            if seen == count:
                await asyncio.sleep(0.02)  # let this event out
                self.block()

    async def encode(self, events: EventStream) -> Any:
        self.count(1)
        try:
            async for event in events:
                yield event.encode()
        finally:
            self.count(-1)

    def count(self, change: int) -> None:
        """/load stays 0 without --enable-server-load-tracking."""
        if self.options.faulty.track_load:
            self.load += change


CAUTION = (
    "CAUTION: Enabling log response in the API Server. This can include sensitive information and should be avoided in "
    "production."
)


def route(path: str, handler: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
    """A route for one method: FastAPI, unlike starlette, adds no HEAD."""
    made = Route(path, handler, methods=[method])
    made.methods = {method}
    return made


async def plain_error(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, as FastAPI words them."""
    assert isinstance(error, HTTPException)
    response = json_response({"detail": error.detail}, error.status_code)
    response.raw_headers[:0] = [(k.lower().encode(), v.encode()) for k, v in (error.headers or {}).items()]
    return response


async def unless_gone(request: Request, work: Coroutine[Any, Any, Json]) -> Json:
    """Run `work`; cancel it, and with it the request in the engine, when the client leaves."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, watch = asyncio.create_task(work), asyncio.create_task(gone())
    await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
    watch.cancel()
    if not task.done():
        task.cancel()
        return {}
    return task.result()


class Authentication:
    """vLLM's AuthenticationMiddleware: a bearer token on the guarded prefixes."""

    def __init__(self, app: ASGIApp, keys: list[str]) -> None:
        self.app = app
        self.digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def allowed(self, scope: Scope) -> bool:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        digest = hashlib.sha256(token.encode()).digest()
        return scheme.lower() == "bearer" and any(secrets.compare_digest(digest, known) for known in self.digests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = scope["type"] == "http" and scope["method"] != "OPTIONS" and scope["path"].startswith(GUARDED)
        if guarded and not self.allowed(scope):
            await json_response({"error": "Unauthorized"}, 401)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class HttpMetrics:
    """prometheus-fastapi-instrumentator: counts a request when its response has ended, a stream at its end."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: list[Route]) -> None:
        self.app, self.metrics, self.routes = app, metrics, routes

    def handler(self, scope: Scope) -> str:
        matches = [(route.matches(scope)[0], route.path) for route in self.routes]
        return next((path for match, path in matches if match != Match.NONE), "none")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self.handler(scope) if scope["type"] == "http" else "/health"
        if handler in UNCOUNTED:
            await self.app(scope, receive, send)
            return
        start = time.monotonic()
        status, answer = 500, Headers()

        async def note(message: Message) -> None:
            nonlocal status, answer
            if message["type"] == "http.response.start":
                status, answer = message["status"], Headers(raw=message["headers"])
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            asked = Headers(scope=scope).get("content-length", "0")
            sizes = (int(asked), int(answer.get("content-length", "0")))
            self.metrics.http(handler, scope["method"], status, sizes, time.monotonic() - start)
