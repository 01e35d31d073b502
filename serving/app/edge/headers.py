"""Headers of every answer."""

from __future__ import annotations

from typing import Final

# Scripts, styles and pictures of this origin alone; nothing inline but pictures as data.
CONTENT_SECURITY_POLICY: Final = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "font-src 'self'", "connect-src 'self'", "manifest-src 'self'", "form-action 'self'",
    "base-uri 'none'", "frame-ancestors 'none'",
))  # fmt: skip
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Heard over HTTPS only.
    "Strict-Transport-Security": "max-age=31536000",
}
# Of an answer that says nothing of caching itself: lists are of one person and one moment.
NOT_STORED: Final = ("Cache-Control", "no-store")
REQUEST_ID: Final = "X-Request-Id"
