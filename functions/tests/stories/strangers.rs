//! Whoever is not the owner learns nothing and changes nothing, by any operation that there is. The
//! operations are those of the API's own description, so that a new one is here by itself.

use serde_json::{Value, json};

use crate::stack::{Operation, Stack, now};

/// A channel that has everything a channel can have.
struct Alices {
    stack: Stack,
    id: String,
    /// Whatever only Alice may read.
    secrets: Vec<String>,
}

impl Alices {
    async fn channel() -> Self {
        let stack = Stack::start().await;
        let name = "The show before the show";
        let made = stack.post("alice", "/v1/channels", json!({ "name": name }));
        let id = made.await.text("id");
        let key_path = format!("/v1/channels/{id}/stream-key");
        let key = stack
            .post("alice", &key_path, Value::Null)
            .await
            .text("streamKey");
        let masked_key = stack.get("alice", &key_path).await.text("maskedKey");
        let channel_id = domain::ChannelId::parse(id.as_str()).expect("an id");
        let edge = stack.edge(1).await;
        let live = stack.go_live(&channel_id, &edge, now()).await;
        let session_id = live.session_id.expect("a session").to_string();
        let client_ip = live.client_ip.expect("an address");
        let secrets = [
            "alice",
            name,
            &id,
            &key[4..],
            &masked_key,
            edge.id.as_str(),
            &session_id,
            &client_ip,
        ];
        let secrets = secrets.map(str::to_owned).into();
        Self { stack, id, secrets }
    }

    /// Everything that another could have changed.
    async fn everything(&self) -> Vec<Value> {
        let own = format!("/v1/channels/{}", self.id);
        let mut all = Vec::new();
        for path in ["", "/stream-key", "/status", "/sessions"] {
            all.push(self.stack.get("alice", &format!("{own}{path}")).await.body);
        }
        let reveal = format!("{own}/stream-key/reveal");
        all.push(self.stack.post("alice", &reveal, Value::Null).await.body);
        all
    }

    fn operations(&self) -> Vec<Operation> {
        let operations = self.stack.description.operations();
        assert!(
            operations
                .iter()
                .filter(|one| one.is_about_a_channel())
                .count()
                >= 9
        );
        operations
    }
}

#[tokio::test]
async fn another_users_channel_is_not_found_by_any_operation_and_nothing_of_it_is_told() {
    let alices = Alices::channel().await;
    let before = alices.everything().await;
    let nobodys = "ch_00000000000000000000000000000000";
    for operation in alices.operations() {
        let call = async |id: &str| {
            let (path, body) = (operation.path_of(id), operation.body.clone());
            alices
                .stack
                .call("mallory", &operation.method, &path, body)
                .await
        };
        let answer = call(&alices.id).await;
        if operation.is_about_a_channel() {
            answer.is_problem(404, "not_found");
            let missing = call(nobodys).await;
            assert_eq!(
                answer.body, missing.body,
                "it is told from one that is not there"
            );
        } else {
            assert!(answer.status < 500, "{operation:?}: {answer:?}");
        }
        let told = format!("{} {}", answer.headers, answer.body);
        for secret in &alices.secrets {
            assert!(
                !told.contains(secret),
                "{operation:?} tells {secret}: {told}"
            );
        }
    }
    assert_eq!(alices.everything().await, before);
}

#[tokio::test]
async fn a_token_that_is_not_good_opens_no_operation_whatever_is_wrong_with_it() {
    let alices = Alices::channel().await;
    let before = alices.everything().await;
    let stack = &alices.stack;
    let mut refused = 0;
    for operation in alices.operations().iter().filter(|one| one.needs_a_token) {
        let path = operation.path_of(&alices.id);
        let body = (!operation.body.is_null()).then(|| operation.body.to_string());
        for (wrong, header) in stack.bad_headers("alice") {
            let mut headers = json!({ "content-type": "application/json" });
            if let Some(header) = &header {
                headers["authorization"] = header.as_str().into();
            }
            let answer = stack
                .send(&operation.method, &path, headers, body.as_deref())
                .await;
            assert_eq!(
                answer.status, 401,
                "{operation:?} with a token {wrong}: {answer:?}"
            );
            answer.is_problem(401, "unauthenticated");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            // The caller is not told what was wrong: the same words for all.
            let same = "send a valid token as Authorization: Bearer <token>";
            assert_eq!(answer.text("detail"), same, "{wrong}");
            refused += 1;
        }
    }
    assert!(refused >= 300, "only {refused} calls were made");
    assert_eq!(alices.everything().await, before);
}
