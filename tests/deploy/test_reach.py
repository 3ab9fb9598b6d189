"""Who reaches what: nothing but what is listed, the routes under /internal from inside alone."""

from tests.deploy.rendered import Object, Overlay, main_container
from tests.deploy.test_settings import SECRETS

# Who may be asked, and by whom: labels of a namespace, and of a pod in it.
ENTRANCE = {"careapp/ingress": "true"}
PORTAL = {"careapp/portal-client": "true"}


def policies(overlay: Overlay, pod: str, way: str) -> list[Object]:
    """What lets a pod in or out."""
    found = [one["spec"] for one in overlay.all("NetworkPolicy") if pod in overlay.selected(one["spec"]["podSelector"])]
    return [rule for spec in found if way.capitalize() in spec["policyTypes"] for rule in spec.get(way, [])]


def test_nothing_goes_that_is_not_listed(overlay: Overlay) -> None:
    closed = overlay.one("NetworkPolicy", "nothing")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for pod in overlay.pods():
        for way in ("ingress", "egress"):
            for rule in policies(overlay, pod, way):
                assert rule["ports"], "a rule without ports opens all"
                assert rule["from" if way == "ingress" else "to"], "a rule without peers is for everybody"
    known = set(overlay.pods())
    for one in overlay.all("NetworkPolicy"):
        assert overlay.selected(one["spec"]["podSelector"]) <= known
        assert overlay.selected(one["spec"]["podSelector"]), f"{one['metadata']['name']} is for nobody"


def test_ports_of_rules_are_ports_of_pods(overlay: Overlay) -> None:
    open_somewhere = set()
    for pod in overlay.pods().values():
        for one in main_container(pod).get("ports", []):
            open_somewhere |= {one["name"], one["containerPort"]}
    for name in overlay.pods():
        assert {port["port"] for rule in policies(overlay, name, "ingress") for port in rule["ports"]} <= open_somewhere


def test_figures_are_for_who_watches_alone(overlay: Overlay) -> None:
    watchers = {"namespaceSelector": {"matchLabels": {"careapp/monitoring": "true"}}}
    for name in ("web", "portal", "jobs"):
        peers = [peer for rule in policies(overlay, name, "ingress") for peer in rule["from"]
                 if {"protocol": "TCP", "port": 9464} in rule["ports"]]  # fmt: skip
        assert peers == [watchers]
    for service in overlay.all("Service"):
        assert [one["targetPort"] for one in service["spec"]["ports"]] == ["http"], "none leads to the figures"


def test_the_way_in_leads_to_pods_without_internal_routes(overlay: Overlay) -> None:
    [ingress] = overlay.all("Ingress")
    [rule] = ingress["spec"]["rules"]
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    assert "defaultBackend" not in ingress["spec"]
    for path in rule["http"]["paths"]:
        service = overlay.one("Service", path["backend"]["service"]["name"])
        reached = overlay.selected({"matchLabels": service["spec"]["selector"]})
        assert reached == {"web"}
        for pod in reached:
            settings = overlay.environment(main_container(overlay.pods()[pod]), SECRETS)
            assert settings["SURFACES"] == "public", "see test_settings: it has no rule under /internal"
            assert "INTERNAL_KEYS" not in settings
    assert all(one["spec"].get("type", "ClusterIP") == "ClusterIP" for one in overlay.all("Service"))


def test_only_the_portal_reaches_internal_routes(overlay: Overlay) -> None:
    settings = overlay.environment(main_container(overlay.pods()["portal"]), SECRETS)
    assert (settings["SURFACES"], settings["INTERNAL_REQUIRE_SIGNED"]) == ("internal", "1")
    peers = [peer for rule in policies(overlay, "portal", "ingress") for peer in rule["from"]
             if rule["ports"] == [{"protocol": "TCP", "port": "http"}]]  # fmt: skip
    assert peers == [{"namespaceSelector": {"matchLabels": PORTAL}, "podSelector": {"matchLabels": PORTAL}}], (
        "one peer with both: as two peers either would do"
    )
    [outside] = [peer for rule in policies(overlay, "web", "ingress") for peer in rule["from"]
                 if rule["ports"] == [{"protocol": "TCP", "port": "http"}]]  # fmt: skip
    assert outside == {"namespaceSelector": {"matchLabels": ENTRANCE}}


def test_each_pod_reaches_what_it_needs_and_no_more(overlay: Overlay) -> None:
    ports = {
        name: {port["port"] for rule in policies(overlay, name, "egress") for port in rule["ports"]}
        for name in overlay.pods()
    }
    assert ports == {
        "web": {53, 5432}, "portal": {53, 5432}, "jobs": {53, 5432, 9092}, "migrate": {53, 5432}, "backup": {53, 5432},
    }  # fmt: skip
    blocks = [
        peer["ipBlock"]["cidr"]
        for name in overlay.pods()
        for rule in policies(overlay, name, "egress")
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert blocks
    assert all(int(block.split("/")[1]) >= 24 for block in blocks), "not the whole internet"
