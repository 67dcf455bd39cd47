"""Charts from an https-like repository and an OCI registry that ask for credentials."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from urllib.parse import parse_qs, urlsplit

import pytest

from gitops.errors import ProjectDenied, RepositoryError, RevisionError, SourceError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import Bounds
from gitops.source.charts import ChartRepositories

USER, PASSWORD = "robot", "ch4rt-secret"
HTTP = Bounds(protocols=frozenset({"http", "https"}))


def chart(version: str, *extra: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    # Without the time of day, so that equal charts have equal digests.
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, text in {"Chart.yaml": f"name: web\nversion: {version}\n", "templates/a.yaml": "a: 1\n"}.items():
            info = tarfile.TarInfo(f"web/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
        for info in extra:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return out.getvalue()


VERSIONS = ["1.0.0", "1.2.0", "1.10.0", "2.0.0", "2.1.0-rc.1"]


def index(urls: str = "charts/web-{}.tgz", digest: bool = True) -> bytes:
    entries = [
        {"version": v, "urls": [urls.format(v)], "digest": hashlib.sha256(chart(v)).hexdigest() if digest else ""}
        for v in VERSIONS
    ]
    return json.dumps({"apiVersion": "v1", "entries": {"web": entries}}).encode()  # JSON is YAML


def repository(request, body=None):
    if not request.basic(USER, PASSWORD):
        return 401, b"", {"WWW-Authenticate": "Basic"}
    if request.path == "/stable/index.yaml":
        return 200, body or index()
    if request.path.startswith("/stable/charts/web-"):
        return 200, chart(request.path.removeprefix("/stable/charts/web-").removesuffix(".tgz"))
    return 404, b""


@pytest.fixture
def make_charts(tmp_path):
    def make(*repositories: Repository, bounds: Bounds = HTTP, **options) -> ChartRepositories:
        return ChartRepositories(
            tmp_path / "charts", RepositoryConfig(repositories=repositories), bounds=bounds, **options
        )

    return make


def entry(url: str, **more) -> Repository:
    return Repository(url=url, username=USER, password=PASSWORD, **more)


def test_versions_and_download(make_charts, web):
    server = web(repository)
    url = f"{server.url}/stable"
    with make_charts(entry(url, type="helm")) as charts:
        wanted = {
            "^1": "1.10.0",
            "1.2": "1.2.0",
            "": "2.0.0",
            "*": "2.0.0",
            ">=2.1.0-0": "2.1.0-rc.1",
            "1.0.0": "1.0.0",
        }
        assert {text: charts.resolve(url, "web", text) for text in wanted} == wanted
        folder = charts.fetch(url, "web", "1.10.0")
        assert (folder / "Chart.yaml").read_text().endswith("version: 1.10.0\n")
        assert charts.fetch(url, "web", "1.10.0") == folder
    # One index for six questions, one archive for two downloads.
    assert [request.path for request in server.seen] == ["/stable/index.yaml", "/stable/charts/web-1.10.0.tgz"]


def test_refresh_asks_again(make_charts, web):
    server = web(repository)
    charts = make_charts(entry(server.url + "/stable"))
    charts.resolve(server.url + "/stable", "web", "*")
    charts.resolve(server.url + "/stable", "web", "*", refresh=True)
    assert len(server.seen) == 2


def test_what_does_not_exist(make_charts, web):
    url = web(repository).url + "/stable"
    charts = make_charts(entry(url))
    with pytest.raises(RevisionError, match="no version that fits '\\^7'"):
        charts.resolve(url, "web", "^7")
    with pytest.raises(RevisionError, match="no chart 'db'"):
        charts.resolve(url, "db", "*")
    with pytest.raises(RevisionError, match=r"no version '9\.9\.9'"):
        charts.fetch(url, "web", "9.9.9")


def test_wrong_password(make_charts, web):
    url = web(repository).url + "/stable"
    with pytest.raises(RepositoryError, match="refuses the credentials") as caught:
        make_charts(Repository(url=url, username=USER, password="wr0ng-one")).resolve(url, "web", "*")
    assert "wr0ng-one" not in str(caught.value)


def test_credentials_go_to_no_other_host(make_charts, web):
    other = web(lambda request: (200, chart("1.0.0")))
    server = web(lambda request: repository(request, index(other.url + "/web-{}.tgz", digest=False)))
    url = server.url + "/stable"
    make_charts(entry(url)).fetch(url, "web", "1.0.0")
    assert "authorization" not in other.seen[0].headers
    make_charts(entry(url)).fetch(url, "web", "1.2.0", pass_credentials=True)
    assert other.seen[1].basic(USER, PASSWORD)


def test_credentials_do_not_follow_a_redirect(make_charts, web):
    other = web(lambda request: (200, index()))
    server = web(lambda request: (302, b"", {"Location": other.url + "/index.yaml"}))
    make_charts(entry(server.url)).resolve(server.url, "web", "*")
    assert server.seen[0].basic(USER, PASSWORD)
    assert "authorization" not in other.seen[0].headers


def test_digest_that_differs(make_charts, web):
    def respond(request):
        return (200, chart("9.9.9")) if request.path.endswith(".tgz") else repository(request)

    url = web(respond).url + "/stable"
    with pytest.raises(RepositoryError, match="digest differs"):
        make_charts(entry(url)).fetch(url, "web", "1.0.0")


def _link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo("web/link")
    info.type, info.linkname = kind, target
    return info


def _named(name: str, size: int = 1) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (_link(tarfile.SYMTYPE, "/etc/passwd"), "links are refused"),
        (_link(tarfile.LNKTYPE, "web/Chart.yaml"), "links are refused"),
        (_link(tarfile.CHRTYPE, ""), "no regular file"),
        (_named("../evil"), "leads out"),
        (_named("/tmp/evil"), "leads out"),
        (_named("web/big", 3 << 20), "more than"),
    ],
)
def test_archives_that_are_refused(make_charts, web, tmp_path, member, message):
    def respond(request):
        return (200, chart("1.0.0", member)) if request.path.endswith(".tgz") else (200, index(digest=False))

    url = web(respond).url + "/stable"
    bounds = Bounds(protocols=frozenset({"http"}), checkout_mib=2)
    with pytest.raises(SourceError, match=message):
        make_charts(bounds=bounds).fetch(url, "web", "1.0.0")
    assert not list(tmp_path.rglob("evil"))


def test_what_is_no_archive_and_no_index(make_charts, web):
    url = web(lambda request: (200, b"hello" if request.path.endswith(".tgz") else index(digest=False))).url
    with pytest.raises(SourceError, match="not a readable"):
        make_charts().fetch(url, "web", "1.0.0")
    for body in (b"hello", b"entries: 3", b"[", b"entries: {web: [3]}"):
        bad = web(lambda request, body=body: (200, body)).url
        with pytest.raises(RepositoryError, match="cannot be read"):
            make_charts().resolve(bad, "web", "*")


def test_protocol_and_project(make_charts, web):
    server = web(repository)
    with pytest.raises(RepositoryError, match="does not permit"):
        make_charts(bounds=Bounds()).resolve(server.url, "web", "*")
    with pytest.raises(ProjectDenied):
        make_charts(allowed=lambda url: False).resolve(server.url, "web", "*")
    assert server.seen == []


# --- OCI ---


class Registry:
    """A registry with the token flow: /v2/ wants a bearer token, /token wants a password."""

    def __init__(self, layer_type: str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip") -> None:
        self.blobs: dict[str, bytes] = {}
        self.tags: dict[str, bytes] = {}
        for version in [*VERSIONS, "1.11.0+build.5"]:
            content = chart(version)
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            self.blobs[digest] = content
            manifest = {
                "schemaVersion": 2,
                "layers": [{"mediaType": layer_type, "digest": digest, "size": len(content)}],
            }
            self.tags[version.replace("+", "_")] = json.dumps(manifest).encode()

    def __call__(self, request):
        url = urlsplit(request.path)
        if url.path == "/token":
            query = parse_qs(url.query)
            good = request.basic(USER, PASSWORD) and query["scope"] == ["repository:team/web:pull"]
            return (200, b'{"token": "t0ken"}') if good else (401, b"")
        if request.headers.get("authorization") != "Bearer t0ken":
            host = request.headers["host"]
            challenge = f'Bearer realm="http://{host}/token",service="reg",scope="repository:team/web:pull"'
            return 401, b"", {"WWW-Authenticate": challenge}
        name, _, rest = url.path.removeprefix("/v2/team/web/").partition("/")
        if name == "tags":
            first = "last" not in url.query
            tags = list(self.tags)
            link = {"Link": '</v2/team/web/tags/list?n=1000&last=x>; rel="next"'} if first else {}
            return 200, json.dumps({"tags": tags[:2] if first else tags[2:]}).encode(), link
        found = {"manifests": self.tags, "blobs": self.blobs}.get(name, {}).get(rest)
        return (200, found) if found else (404, b"")


def test_oci(make_charts, web):
    server = web(Registry())
    url = f"oci://127.0.0.1:{server.port}/team"
    charts = make_charts(entry(url, insecureOCIForceHttp=True))
    wanted = {"~1.2": "1.2.0", "^1": "1.11.0+build.5", "*": "2.0.0", "1.0.0": "1.0.0"}
    assert {text: charts.resolve(url, "web", text) for text in wanted} == wanted
    folder = charts.fetch(url, "web", "1.11.0+build.5")
    assert "1.11.0+build.5" in (folder / "Chart.yaml").read_text()


def test_oci_as_argo_cd_wrote_it_before(make_charts, web):
    """enableOCI and a URL without a scheme."""
    server = web(Registry())
    url = f"127.0.0.1:{server.port}/team"
    charts = make_charts(entry(url, enableOCI=True, insecureOCIForceHttp=True, type="helm"))
    assert (charts.fetch(url, "web", charts.resolve(url, "web", "2.x")) / "Chart.yaml").exists()


def test_oci_wrong_password(make_charts, web):
    url = f"oci://127.0.0.1:{web(Registry()).port}/team"
    wrong = Repository(url=url, username=USER, password="wr0ng-one", insecureOCIForceHttp=True)
    with pytest.raises(RepositoryError, match="refuses the credentials"):
        make_charts(wrong).resolve(url, "web", "*")


def test_oci_blob_that_differs(make_charts, web):
    registry = Registry()
    registry.blobs = dict.fromkeys(registry.blobs, b"other")
    url = f"oci://127.0.0.1:{web(registry).port}/team"
    with pytest.raises(RepositoryError, match="digest differs"):
        make_charts(entry(url, insecureOCIForceHttp=True)).fetch(url, "web", "1.0.0")


@pytest.mark.parametrize("name", ["../../etc", "Web", "a//b", "web?x=1", "web#f"])
def test_oci_names_that_are_none(make_charts, name):
    with pytest.raises(RepositoryError, match="not a name"):
        make_charts().fetch("oci://127.0.0.1:1/team", name, "1.0.0")


def test_oci_wants_https(make_charts, web):
    server = web(Registry())
    url = f"oci://127.0.0.1:{server.port}/team"
    with pytest.raises(RepositoryError, match="cannot be reached"):
        make_charts(entry(url)).resolve(url, "web", "*")
    assert server.seen == []
