"""The headers by which a browser keeps to what this site needs."""

from flask import Flask, Response, request

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the framework's icons are data: images inside its style sheet
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# A scheme that browsers do not know: at one of theirs they would ask in a window of their own.
_CHALLENGE = 'Session realm="flexagora"'
_TRANSPORT = "max-age=31536000"


def secure(site: Flask, *, https: bool) -> None:
    """Add the headers to every answer of a site."""

    @site.after_request
    def add(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.add("Vary", "Cookie")
        if request.headers.get("HX-Request"):
            response.headers.add("Vary", "HX-Request")
        if "WWW-Authenticate" in response.headers:
            response.headers["WWW-Authenticate"] = _CHALLENGE
        if https:
            response.headers["Strict-Transport-Security"] = _TRANSPORT
        return response
