//! What is wrong with a request is said clearly, with a stable code, and changes nothing.

use serde_json::{Value, json};

use crate::stack::Stack;

#[tokio::test]
async fn unknown_paths_methods_and_ids_are_problems() {
    let stack = Stack::start().await;
    for path in ["/", "/v1", "/v1/nothing", "/v1/channels/", "/v2/channels"] {
        stack.get("alice", path).await.is_problem(404, "not_found");
    }
    for id in ["%20", "a%2Fb", "a%23b", "%FF", "%00", &"x".repeat(200)] {
        let path = format!("/v1/channels/{id}");
        stack.get("alice", &path).await.is_problem(404, "not_found");
    }
    for (method, path) in [
        ("PUT", "/v1/channels"),
        ("DELETE", "/v1/websocket-tickets"),
        ("POST", "/v1/health"),
        ("GET", "/v1/channels/ch_1/stream-key/reveal"),
    ] {
        let answer = stack.call("alice", method, path, Value::Null).await;
        answer.is_problem(405, "method_not_allowed");
        assert!(answer.headers["allow"].is_string(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_the_call_takes_is_a_problem() {
    let stack = Stack::start().await;
    let authorization = stack.bearer("alice");
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(20_000));
    let json_type = "application/json; charset=utf-8";
    for (content_type, body, status, code) in [
        (json_type, "", 400, "malformed_body"),
        (json_type, "{", 400, "malformed_body"),
        (json_type, "[]", 400, "malformed_body"),
        (json_type, "[\"a\", 10]", 400, "malformed_body"),
        (json_type, "\"a\"", 400, "malformed_body"),
        (json_type, "null", 400, "malformed_body"),
        (json_type, "{\"name\":1}", 400, "malformed_body"),
        (json_type, "{\"name\":\"a\",\"x\":1}", 400, "malformed_body"),
        (json_type, &large, 413, "body_too_large"),
        (
            "text/plain",
            "{\"name\":\"a\"}",
            415,
            "unsupported_media_type",
        ),
        ("", "{\"name\":\"a\"}", 415, "unsupported_media_type"),
    ] {
        let headers = json!({ "authorization": authorization, "content-type": content_type });
        let answer = stack
            .send("POST", "/v1/channels", headers, Some(body))
            .await;
        answer.is_problem(status, code);
    }
    let list = stack.get("alice", "/v1/channels").await;
    assert_eq!(list.body["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_value_out_of_its_bounds_is_named() {
    let stack = Stack::start().await;
    for (body, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "name": "a\u{7}" }), "name"),
        (json!({ "name": format!("a{}", " ".repeat(100)) }), "name"),
        (json!({ "name": "a", "graceSeconds": 0 }), "graceSeconds"),
        (json!({ "name": "a", "graceSeconds": 61 }), "graceSeconds"),
    ] {
        let answer = stack.post("alice", "/v1/channels", body).await;
        answer.is_problem(422, "invalid_value");
        assert_eq!(answer.text("field"), field);
    }
    for (query, status, code, field) in [
        ("limit=0", 422, "invalid_value", "limit"),
        ("limit=101", 422, "invalid_value", "limit"),
        ("limit=99999999999", 422, "invalid_value", "limit"),
        ("limit=many", 400, "malformed_request", "limit"),
        ("limit=", 400, "malformed_request", "limit"),
        ("limit=%2B5", 400, "malformed_request", "limit"),
        ("cursor=made-up", 400, "malformed_request", "cursor"),
    ] {
        let answer = stack.get("alice", &format!("/v1/channels?{query}")).await;
        answer.is_problem(status, code);
        assert_eq!(answer.text("field"), field);
    }
    for query in ["limit=1&limit=2", "limt=5"] {
        let answer = stack.get("alice", &format!("/v1/channels?{query}")).await;
        answer.is_problem(400, "malformed_request");
    }
}

#[tokio::test]
async fn what_is_as_large_as_may_be_is_taken_and_one_more_is_not() {
    let stack = Stack::start().await;
    let make = async |body: &str| {
        let headers = json!({
            "authorization": stack.bearer("alice"), "content-type": "application/json",
        });
        stack
            .send("POST", "/v1/channels", headers, Some(body))
            .await
    };
    let body = json!({ "name": "\u{1F3A5}".repeat(100), "graceSeconds": 60 }).to_string();
    let padded = |bytes: usize| format!("{body}{}", " ".repeat(bytes - body.len()));
    assert_eq!(make(&padded(16 * 1024)).await.status, 201);
    make(&padded(16 * 1024 + 1))
        .await
        .is_problem(413, "body_too_large");
    make(&body.replace("60", "61"))
        .await
        .is_problem(422, "invalid_value");
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    make(&deep).await.is_problem(400, "malformed_body");
    assert_eq!(
        stack.get("alice", "/v1/channels?limit=100").await.status,
        200
    );
    for length in [512, 513, 8_000] {
        let path = format!("/v1/channels?cursor={}", "A".repeat(length));
        stack
            .get("alice", &path)
            .await
            .is_problem(400, "malformed_request");
    }
    let list = stack.get("alice", "/v1/channels").await;
    assert_eq!(list.body["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn hostile_paths_queries_and_headers_get_an_answer() {
    let stack = Stack::start().await;
    let authorization = stack.bearer("alice");
    for path in [
        "/v1/channels/\u{0}",
        "/v1/channels/ä ö",
        "//v1/channels",
        "/v1/channels/../../etc",
        "v1/channels",
        "@evil.example/",
        "\\\\evil",
        "",
        "/v1/channels?limit= \u{0}{}<>\"^`|#ä",
        "/v1/channels?limit=1&limit=2",
        "/v1/channels?cursor=%FF%FE",
    ] {
        for host in ["api.example", "", "a b", "[::", "ä", "evil/@"] {
            let headers = json!({ "authorization": authorization, "host": host });
            let answer = stack.send("GET", path, headers, None).await;
            assert!(answer.status < 500, "{path:?} {host:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_stage_with_a_name_is_no_part_of_the_path() {
    let stack = Stack::start().await;
    let event = |stage: &str, path: &str| {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": { "host": "api.example" }, "isBase64Encoded": false,
            "requestContext": {
                "http": { "method": "GET", "path": path }, "stage": stage, "timeEpoch": 0,
            },
        })
    };
    for (stage, path) in [
        ("$default", "/v1/health"),
        ("live", "/live/v1/health"),
        ("live", "/v1/health"),
    ] {
        let answer = stack
            .api
            .invoke(event(stage, path))
            .await
            .expect("an answer");
        assert_eq!(answer["statusCode"], 200, "{stage} {path}");
    }
}

#[tokio::test]
async fn every_answer_is_kept_out_of_caches() {
    let stack = Stack::start().await;
    for path in ["/v1/health", "/v1/channels", "/nothing", "/ingests"] {
        for headers in [json!({}), json!({ "authorization": stack.bearer("alice") })] {
            for method in ["GET", "PUT"] {
                let answer = stack.send(method, path, headers.clone(), None).await;
                assert_eq!(
                    answer.headers["cache-control"], "no-store",
                    "{method} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be() {
    let stack = Stack::without_a_store().await;
    let path = "/v1/channels/ch_1/stream-key/reveal";
    for (method, path) in [("GET", "/v1/channels"), ("POST", path), ("GET", "/ingests")] {
        let answer = stack.call("alice", method, path, Value::Null).await;
        answer.is_problem(503, "unavailable");
    }
    let health = stack.send("GET", "/v1/health", json!({}), None).await;
    assert_eq!(health.status, 200);
}

#[tokio::test]
async fn an_event_of_another_kind_is_an_error_of_the_function() {
    let stack = Stack::without_a_store().await;
    for function in [&stack.api, &stack.websocket, &stack.status_fanout] {
        for event in [json!({}), json!(null), json!([1]), json!({ "Records": 1 })] {
            let answer = function.invoke(event).await;
            assert!(matches!(answer, Err(functions::Error::MalformedEvent(_))));
        }
    }
}
