"""The run's report, linked from the page of the model where the operator says where reports lie."""

from __future__ import annotations

from pathlib import Path

from support.servers.app import running
from support.servers.model_servers import Server


def test_the_model_links_to_its_runs_report_and_to_no_other_file(
    model_server: Server, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    with running(model_server, tmp_path, reports=str(reports)) as client:
        run = client.get("/v1/model").json()["run"]
        assert run
        assert "/model/report" not in client.get("/model").text
        assert client.get("/model/report").status_code == 404
        (reports / f"{run}.html").write_text("<style>p { color: red }</style><p>Verdict</p>")
        assert 'href="/model/report"' in client.get("/model").text
        answer = client.get("/model/report")
        assert answer.status_code == 200 and "Verdict" in answer.text
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script" not in policy
    # Reports show training data: without the setting there is none.
    with running(model_server, tmp_path) as client:
        assert "/model/report" not in client.get("/model").text
        assert client.get("/model/report").status_code == 404
