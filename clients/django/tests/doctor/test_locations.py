"""nginx locations of moved paths, as nginx itself reads them."""

import os
import shutil
import subprocess

import pytest

from channelgate.nginx import locations, upstream_of

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
SITE = """
pid nginx.pid;
events {{}}
http {{
    client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    access_log off;
    server {{ listen 127.0.0.1:1; include {file}; location /ws/ {{ return 404; }} }}
}}
"""
PATHS = [
    "/ws/orders/",
    "/ws/orders/<int:id>/",
    "/ws/<uuid:u>/live/",
    "/ws/<slug:s>",
    "/ws/files/<path:rest>",
    "/ws/a.b/ä <name>/",
]


def locations_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("location")]


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_reads_them(tmp_path):
    stays = {"/ws/chat/<room>/": "a loop\nof its own", "/ws/ticks/": "binary frames"}
    file = tmp_path / "nginx-channelgate.conf"
    file.write_text(locations([*PATHS, PATHS[0]], "unix:/run/channelgate.sock", "127.0.0.1:8000", stays))
    (tmp_path / "nginx.conf").write_text(SITE.format(file=file))
    said = subprocess.run(
        [NGINX, "-t", "-p", f"{tmp_path}/", "-c", tmp_path / "nginx.conf", "-e", tmp_path / "error.log"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    ).stderr
    assert "test is successful" in said and "warn" not in said, said
    text = file.read_text()
    # A path that is named twice has one location, or nginx would refuse the file.
    assert len(locations_of(text)) == len(PATHS) + len(stays)
    assert "# /ws/chat/<room>/ stays with Daphne: a loop of its own\n" in text
    assert text.count("proxy_pass http://unix:/run/channelgate.sock;") == len(PATHS)
    assert text.count("proxy_pass http://127.0.0.1:8000;") == len(stays)


def test_without_the_place_of_daphne_its_paths_are_comments():
    text = locations(["/ws/a/"], "http://10.0.0.1:8001/", stays={"/ws/b/": "why"})
    assert locations_of(text) == ['location ~ "^/ws/a/?$" {']
    assert "# /ws/b/ stays with Daphne: why" in text and "proxy_pass http://10.0.0.1:8001;" in text


def test_a_file_without_paths_says_so():
    assert "channelgate.toml has no consumer with a path" in locations([], "127.0.0.1:8001")


@pytest.mark.parametrize("path", ["ws/", '/ws/"; return 200 "', "/ws/\nx/", "/ws/\\/", "/ws/'/"])
def test_a_path_that_would_be_more_than_a_path_is_refused(path):
    with pytest.raises(ValueError, match="cannot be the path of a location"):
        locations([path], "127.0.0.1:8001")


@pytest.mark.parametrize(
    ("address", "upstream"),
    [
        ("127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://node:8001/", "http://node:8001"),
        ("ws://node:8001", "http://node:8001"),
        ("https://node", "https://node"),
        ("unix:/run/a.sock", "http://unix:/run/a.sock"),
    ],
)
def test_an_address_becomes_what_proxy_pass_wants(address, upstream):
    assert upstream_of(address) == upstream
