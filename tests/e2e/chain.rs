//! Bosses of bosses: the tree, and the refusals of chains that are too deep or go in circles.

use crate::support::{Server, boss, hand, team};
use serde_json::{Value, json};

#[test]
fn a_chain_of_three_levels_has_its_tree_and_its_delegators() {
    let server = Server::scripted(&team(
        None,
        [
            boss("top"),
            boss("middle").under("top"),
            hand("leaf", "middle"),
        ],
    ));
    let leaf = json!([{"task": true}, {"report": {"summary": "leaf done", "with_steps": true}}]);
    let middle = json!([
        {"delegate": [{"title": "Leaf work", "to": "leaf", "script": leaf, "notes": "Mind the gap."}]},
        {"await": {"join": "all"}},
        {"report": {"summary": "middle done", "with_steps": true}}
    ]);
    let top = json!([
        {"delegate": [{"title": "Middle work", "to": "middle", "script": middle}]},
        {"await": {"join": "all"}}
    ]);
    let root = server.tell("top", "Top work", top.clone());
    let answers = server.answers(&root);
    assert_eq!(answers[1]["reports"][0]["summary"], "middle done");

    let tree = server.tree(&root);
    let (top_node, middle_node) = (&tree["ticket"], &tree["children"][0]["ticket"]);
    let leaf_node = &tree["children"][0]["children"][0]["ticket"];
    let about = |node: &Value| {
        (
            node["title"].clone(),
            node["depth"].clone(),
            node["parent"].clone(),
            node["root"].clone(),
            node["delegated_by"]["name"].clone(),
            node["assignee"]["name"].clone(),
            node["status"].clone(),
        )
    };
    let root = json!(root);
    let expected = |title, depth: u32, parent: &Value, by: Option<&str>, to| {
        (
            json!(title),
            json!(depth),
            parent.clone(),
            root.clone(),
            json!(by),
            json!(to),
            json!("done"),
        )
    };
    assert_eq!(
        about(top_node),
        expected("Top work", 0, &Value::Null, None, "top")
    );
    assert_eq!(
        about(middle_node),
        expected("Middle work", 1, &root, Some("top"), "middle")
    );
    let parent = middle_node["id"].clone();
    assert_eq!(
        about(leaf_node),
        expected("Leaf work", 2, &parent, Some("middle"), "leaf")
    );
    assert_eq!(top_node["children"], json!([middle_node["id"]]));

    // What the leaf was told: whose task it is, the notes, and what the person asked for.
    let told = &leaf_node["output"]["steps"][0];
    let briefing = told["briefing"].as_str().expect("a text");
    let boss = leaf_node["delegated_by"]["id"].as_str().expect("an id");
    let head = format!("[DELEGATED TASK from boss \"middle\" ({boss})]\n\nLeaf work");
    assert!(briefing.starts_with(&head), "{briefing}");
    assert!(briefing.contains("Mind the gap."), "{briefing}");
    let request = json!({ "steps": top }).to_string();
    assert!(briefing.contains(&request), "{briefing}");
    assert_eq!(told["request"], request);
}

#[test]
fn a_chain_that_is_too_deep_is_refused_with_the_limit() {
    let agents = [
        boss("a"),
        boss("b").under("a"),
        boss("c").under("b"),
        boss("d").under("c"),
        hand("e", "d"),
    ];
    let server = Server::scripted(&team(None, agents));
    // From the deepest up: each delegates the next script.
    let down = |to: &str, script: Value| {
        json!([
            {"delegate": [{"title": format!("For {to}"), "to": to, "script": script}]},
            {"await": {"join": "all"}},
            {"report": {"summary": "ok", "with_steps": true}}
        ])
    };
    let last = json!([
        {"delegate": [{"title": "Too deep", "to": "e"}]},
        {"report": {"summary": "tried", "with_steps": true}}
    ]);
    let root = server.tell("a", "Dig", down("b", down("c", down("d", last))));
    server.done(&root);
    let tree = server.tree(&root);
    let deepest = &tree["children"][0]["children"][0]["children"][0];
    assert_eq!(deepest["ticket"]["depth"], 3);
    assert_eq!(deepest["children"], json!([]));
    let error = &deepest["ticket"]["output"]["steps"][0]["error"];
    assert_eq!(error["kind"], "denied", "{error}");
    let said = error["text"].as_str().expect("a text");
    assert!(
        said.contains("4 tickets deep") && said.contains("3 is the limit (`depth`)"),
        "{said}"
    );
}

#[test]
fn nobody_works_twice_in_one_chain() {
    let agents = [
        // What its subordinate may assign to, it has to be granted too.
        boss("lead").under("head").may_assign(&["stranger"]),
        boss("head"),
        hand("sub", "lead").may_assign(&["lead", "stranger"]),
        hand("stranger", "head"),
    ];
    let server = Server::scripted(&team(None, agents));
    let sub = json!([
        {"create": {"title": "Back to you"}},
        {"assign": {"ticket": 0, "agent": "lead"}},
        {"assign": {"ticket": 0, "agent": "head"}},
        {"assign": {"ticket": 0, "agent": "stranger"}},
        {"report": {"summary": "tried", "with_steps": true}}
    ]);
    let ids = server.get("/v1/agents").ok();
    let id_of = |name: &str| {
        let items = ids["items"].as_array().expect("agents");
        let found = items.iter().find(|agent| agent["name"] == name);
        found.expect("it is there")["id"].clone()
    };
    let root = server.tell(
        "lead",
        "Turn in circles",
        json!([
            {"delegate": [{"title": "Sub work", "to": "sub", "script": sub}]},
            {"delegate": [{"title": "To myself", "to": "lead"}]},
            {"delegate": [{"title": "Not mine", "to": id_of("stranger")}]},
            {"delegate": [{"title": "Nobody", "to": "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e"}]},
            {"await": {"join": "all"}},
            {"report": {"summary": "tried", "with_steps": true}}
        ]),
    );
    let steps = server.answers(&root);
    let own = steps[1]["error"]["text"].as_str().unwrap_or_default();
    assert!(
        !own.is_empty(),
        "a boss is not its own subordinate: {}",
        steps[1]
    );
    assert_eq!(steps[2]["error"]["kind"], "denied", "{}", steps[2]);
    let said = steps[2]["error"]["text"].as_str().expect("a text");
    assert!(
        said.contains("stranger is no direct subordinate of lead") && said.contains("sub"),
        "{said}"
    );
    assert_eq!(steps[3]["error"]["kind"], "not-found", "{}", steps[3]);

    let children = server.children(&root);
    assert_eq!(children.len(), 1, "what was refused has left no ticket");
    let tried = &children[0]["output"]["steps"];
    assert_eq!(tried[1]["error"]["kind"], "denied", "{tried:#}");
    let said = tried[1]["error"]["text"].as_str().expect("a text");
    assert!(
        said.contains("lead already works on ticket") && said.contains("cycle"),
        "{said}"
    );
    assert_eq!(tried[2]["error"]["kind"], "denied");
    let said = tried[2]["error"]["text"].as_str().expect("a text");
    assert!(said.contains("no grant `assign_to` names it"), "{said}");
    assert_eq!(tried[3], Value::Null, "this one is granted");

    // A person who would make the same circle is told the same.
    let open = server.tell(
        "lead",
        "Wait",
        json!([{"ask": {"member": "maria", "text": "So?"}}]),
    );
    let circle = json!({"title": "Circle", "assignee": "lead", "parent": open});
    let problem = server.post("/v1/tickets", &circle).problem(403);
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("cycle"), "{detail}");
}
