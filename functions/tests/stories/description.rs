//! The API describes itself. Every story holds every answer against that description; here is what
//! the description is like by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::stack::Stack;

#[tokio::test]
async fn the_description_is_served_to_anybody_and_names_every_operation_once() {
    let stack = Stack::start().await;
    let served = stack.send("GET", "/v1/openapi.json", json!({}), None).await;
    assert_eq!(served.status, 200);
    assert_eq!(served.headers["content-type"], "application/json");
    assert_eq!(served.body["openapi"], "3.1.0");
    assert_eq!(served.body, stack.description.0, "it is the same each time");
    let mut names = BTreeSet::new();
    let paths = served.body["paths"].as_object().expect("paths").values();
    for operation in paths.flat_map(|methods| methods.as_object().expect("methods").values()) {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|words| !words.is_empty()),
            "{name}"
        );
    }
    assert!(names.len() >= 16, "{names:?}");
}

/// That every route has a description is the other half, and holds by how routes are added.
#[tokio::test]
async fn every_description_is_of_a_route() {
    let stack = Stack::start().await;
    for operation in stack.description.operations() {
        let path = operation.path_of("ch_00000000000000000000000000000000");
        let answer = stack.send(&operation.method, &path, json!({}), None).await;
        if operation.needs_a_token {
            answer.is_problem(401, "unauthenticated");
        } else {
            let is_there = ![401, 404, 405].contains(&answer.status);
            assert!(is_there, "{operation:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_to_a_schema() {
    let stack = Stack::start().await;
    let mut open = vec![&stack.description.0];
    let mut references = 0;
    while let Some(value) = open.pop() {
        if let Some(reference) = value["$ref"].as_str() {
            references += 1;
            let place = reference
                .strip_prefix('#')
                .expect("inside of the description");
            assert!(stack.description.0.pointer(place).is_some(), "{reference}");
        }
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
    }
    assert!(references > 50, "{references}");
}

#[tokio::test]
async fn what_is_sent_has_bounds_and_no_room_for_more() {
    let stack = Stack::start().await;
    let schemas = &stack.description.0["components"]["schemas"];
    for (name, pointer, value) in [
        ("CreateChannel", "/additionalProperties", json!(false)),
        ("CreateChannel", "/required", json!(["name"])),
        ("CreateChannel", "/properties/name/minLength", json!(1)),
        ("CreateChannel", "/properties/name/maxLength", json!(100)),
        (
            "CreateChannel",
            "/properties/graceSeconds/minimum",
            json!(1),
        ),
        (
            "CreateChannel",
            "/properties/graceSeconds/maximum",
            json!(60),
        ),
        ("UpdateChannel", "/additionalProperties", json!(false)),
        ("ResetStreamKey", "/additionalProperties", json!(false)),
        (
            "ResetStreamKey",
            "/properties/overlapSeconds/maximum",
            json!(86_400),
        ),
        (
            "Problem",
            "/properties/code/$ref",
            json!("#/components/schemas/ProblemCode"),
        ),
    ] {
        assert_eq!(
            schemas[name].pointer(pointer),
            Some(&value),
            "{name}{pointer}"
        );
    }
    // What is left out where it is empty may be missing; all else of an answer is always there.
    let page = &schemas["ChannelPage"]["required"];
    assert_eq!(page, &json!(["items"]));
    let status = schemas["Status"]["required"].as_array().expect("fields");
    assert!(status.contains(&json!("graceUntil")), "{status:?}");
}
