"""A content security policy with a nonce, as Django 6 and django-csp have it."""

import secrets


def middleware(get_response):
    def respond(request):
        request.csp_nonce = secrets.token_urlsafe(16)
        response = get_response(request)
        response["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'nonce-{request.csp_nonce}'; connect-src 'self' ws://127.0.0.1:*; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        )
        return response

    return respond
