//! Routes that cannot be without a description: adding one takes a handler that describes itself and
//! the words for it, and the router and the description have it from this one call.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};
use contract::problem::Code;
use serde_json::json;

use super::authenticate;
use super::describe::{Described, Operation, Schemas};
use super::document::{Document, Paths, TOKEN};
use crate::Api;

/// Routes, and what there is to say of them.
#[derive(Debug, Default)]
pub(super) struct Routes {
    router: Router<Arc<Api>>,
    added: Vec<Added>,
    schemas: Schemas,
    group: &'static str,
}

#[derive(Debug)]
struct Added {
    path: &'static str,
    method: &'static str,
    group: &'static str,
    words: Words,
    operation: Operation,
    needs_a_token: bool,
}

/// What no type says of an operation.
#[derive(Debug)]
pub(super) struct Words {
    id: &'static str,
    summary: &'static str,
    refusals: Vec<Code>,
}

/// An operation's name in programs, and what it does.
pub(super) fn operation(id: &'static str, summary: &'static str) -> Words {
    Words {
        id,
        summary,
        refusals: Vec::new(),
    }
}

impl Words {
    /// The problems that its service comes upon; those of its arguments are known.
    pub(super) fn may_refuse(mut self, codes: &[Code]) -> Self {
        self.refusals.extend(codes);
        self
    }
}

macro_rules! methods {
    ($($method:ident)*) => {
        $(
            pub(super) fn $method<H, T, I, O>(
                self,
                path: &'static str,
                handler: H,
                words: Words,
            ) -> Self
            where
                H: Handler<T, Arc<Api>> + Described<I, O>,
                T: 'static,
            {
                let route = routing::$method(handler);
                self.add(path, stringify!($method), route, H::describe, words)
            }
        )*
    };
}

impl Routes {
    methods!(get post patch delete);

    /// Adds routes that are shown together under this name.
    pub(super) fn group(mut self, name: &'static str, add: impl FnOnce(Self) -> Self) -> Self {
        self.group = name;
        add(self)
    }

    fn add(
        mut self,
        path: &'static str,
        method: &'static str,
        route: MethodRouter<Arc<Api>>,
        describe: fn(&mut Operation, &mut Schemas),
        words: Words,
    ) -> Self {
        let mut operation = Operation::default();
        describe(&mut operation, &mut self.schemas);
        self.router = self.router.route(path, route);
        self.added.push(Added {
            path,
            method,
            group: self.group,
            words,
            operation,
            needs_a_token: false,
        });
        self
    }

    /// Lets nobody without a valid token through to the routes so far.
    pub(super) fn need_a_token(mut self, api: &Arc<Api>) -> Self {
        for added in &mut self.added {
            added.needs_a_token = true;
            let operation = &mut added.operation;
            operation.may_refuse(&[Code::Unauthenticated, Code::Unavailable]);
            let scheme = json!({ "const": "Bearer" });
            let words = "How to say who calls.";
            operation.answers_with_header(401, "WWW-Authenticate", words, scheme);
        }
        let authenticate = from_fn_with_state(Arc::clone(api), authenticate::require);
        self.router = self.router.route_layer(authenticate);
        self
    }

    /// The router, and the description of all that is in it.
    pub(super) fn finish(mut self) -> (Router<Arc<Api>>, Document) {
        let mut paths = Paths::new();
        for mut added in self.added {
            added.operation.may_refuse(&added.words.refusals);
            let mut object = added.operation.into_object(&mut self.schemas);
            object.insert("operationId".into(), added.words.id.into());
            object.insert("summary".into(), added.words.summary.into());
            object.insert("tags".into(), json!([added.group]));
            if added.needs_a_token {
                object.insert("security".into(), json!([{ TOKEN: [] }]));
            }
            let methods = paths.entry(added.path).or_default();
            methods.insert(added.method.into(), object.into());
        }
        (self.router, Document::new(paths, self.schemas))
    }
}
