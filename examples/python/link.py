#!/usr/bin/env python3
"""Make a link that a Gcore CDN resource with a secure token, or nginx with
secure_link, opens until a given time:

    https://host/path?md5={token}&expires={unix time}
    token = base64url(MD5("{expires}{path}{ip} {secret}")), without "="

Run this on your server. Whoever holds the secret can sign every file, so it
never goes into a page, a script for the browser or an app.
"""
import base64
import hashlib
import os
import re
import sys
import time
from urllib.parse import unquote_to_bytes


def sign_link(url, secret, expires, directory=False, ip=""):
    """Return `url` with its token.

    url: https://host/path or /path, percent-encoded as a browser sends it.
    expires: Unix time in seconds.
    directory: sign the folder, so that the token opens every file directly in it.
    ip: the only client address that may use the link; empty for any.
    """
    parts = re.fullmatch(r"((?:https?://[^/?#]+)?(/[^?#]*)(\?[^#]*)?)(#.*)?", url, re.S)
    if not parts:
        raise ValueError("neither https://host/path nor /path")
    base, path, query, fragment = parts.groups("")
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", path):
        raise ValueError("invalid % escape in the path")

    signed = unquote_to_bytes(path)  # the server hashes the decoded path
    if directory:
        signed = signed[: signed.rindex(b"/") + 1]
    text = str(expires).encode() + signed + f"{ip} {secret}".encode()
    token = base64.urlsafe_b64encode(hashlib.md5(text).digest()).decode().rstrip("=")
    return f"{base}{'&' if query else '?'}md5={token}&expires={expires}{fragment}"


def usage(problem):
    print(f"link.py: {problem}", file=sys.stderr)
    print("usage: link.py [--scope file|directory] [--ip ADDR] --expires UNIX|--ttl SECONDS URL", file=sys.stderr)
    sys.exit(64)


def main(args):
    given = {"--scope": "file", "--ip": "", "--expires": "", "--ttl": "", "url": ""}
    while args:
        name = args.pop(0)
        if not name.startswith("-"):
            if given["url"]:
                usage("more than one URL")
            given["url"] = name
        elif name not in given:
            usage(f"unknown option {name}")
        elif not args or not args[0]:
            usage(f"{name} needs a value")
        else:
            given[name] = args.pop(0)

    secret = os.environ.get("SLUICEGATE_KEY", "")
    if not secret:
        usage("SLUICEGATE_KEY is not set")
    if given["--scope"] not in ("file", "directory"):
        usage("--scope is file or directory")
    if bool(given["--expires"]) == bool(given["--ttl"]):
        usage("give one of --expires and --ttl")
    seconds = given["--expires"] or given["--ttl"]
    if not re.fullmatch(r"[1-9][0-9]{0,17}", seconds):
        usage("--expires and --ttl take whole seconds, from 1")
    expires = int(seconds) + (int(time.time()) if given["--ttl"] else 0)
    try:
        print(sign_link(given["url"], secret, expires, given["--scope"] == "directory", given["--ip"]))
    except ValueError as problem:
        usage(problem)


if __name__ == "__main__":
    main(sys.argv[1:])
