//! A conditional update in the making: what is set, what is removed, and what must hold.
//!
//! One builder serves single updates and those inside a transaction. Conditions are joined by AND.
//! Every attribute is named through a placeholder, because some of ours are reserved words.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::item::Attributes;

/// An update of one item.
#[derive(Debug, Default)]
pub(crate) struct Change {
    sets: Vec<String>,
    removals: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: Attributes,
}

impl Change {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// The attribute becomes this value.
    pub(crate) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.sets.push(format!("{name} = {value}"));
        self
    }

    /// The attribute becomes this value, or disappears.
    pub(crate) fn set_some(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// The attribute becomes this value where it has none.
    pub(crate) fn set_first(mut self, name: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.sets
            .push(format!("{name} = if_not_exists({name}, {value})"));
        self
    }

    /// The attribute becomes `of` plus one; `of` counts from zero where it is missing.
    pub(crate) fn set_one_more(mut self, name: &str, of: &str) -> Self {
        let zero = self.value(AttributeValue::N("0".into()));
        let one = self.value(AttributeValue::N("1".into()));
        let (name, of) = (self.name(name), self.name(of));
        self.sets
            .push(format!("{name} = if_not_exists({of}, {zero}) + {one}"));
        self
    }

    /// The attribute disappears.
    pub(crate) fn remove(mut self, name: &str) -> Self {
        let name = self.name(name);
        self.removals.push(name);
        self
    }

    fn compare(mut self, name: &str, comparison: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.conditions.push(format!("{name} {comparison} {value}"));
        self
    }

    /// Only where the attribute has this value.
    pub(crate) fn when(self, name: &str, value: AttributeValue) -> Self {
        self.compare(name, "=", value)
    }

    /// Only where the attribute has this value, or is missing where there is none.
    pub(crate) fn when_some(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.when(name, value),
            None => self.when_absent(name),
        }
    }

    /// Only where the attribute has one of these values.
    pub(crate) fn when_one_of<const N: usize>(
        mut self,
        name: &str,
        values: [AttributeValue; N],
    ) -> Self {
        let name = self.name(name);
        let values = values.map(|value| self.value(value)).join(", ");
        self.conditions.push(format!("{name} IN ({values})"));
        self
    }

    /// Only where the attribute is missing; of a key's attribute: where there is no item.
    pub(crate) fn when_absent(mut self, name: &str) -> Self {
        let name = self.name(name);
        self.conditions
            .push(format!("attribute_not_exists({name})"));
        self
    }

    /// Only where the attribute is there; of a key's attribute: where there is an item.
    pub(crate) fn when_present(mut self, name: &str) -> Self {
        let name = self.name(name);
        self.conditions.push(format!("attribute_exists({name})"));
        self
    }

    /// Only where the attribute is missing or at most this.
    pub(crate) fn when_absent_or_at_most(mut self, name: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.conditions.push(format!(
            "(attribute_not_exists({name}) OR {name} <= {value})"
        ));
        self
    }

    /// Only where the attribute is greater than this.
    pub(crate) fn when_greater(self, name: &str, value: AttributeValue) -> Self {
        self.compare(name, ">", value)
    }

    /// The update expression; None where nothing is changed.
    pub(crate) fn update(&self) -> Option<String> {
        let mut expression = String::new();
        for (keyword, clauses) in [("SET", &self.sets), ("REMOVE", &self.removals)] {
            if !clauses.is_empty() {
                // Writing into a String cannot fail.
                let _ = write!(expression, "{keyword} {} ", clauses.join(", "));
            }
        }
        (!expression.is_empty()).then(|| expression.trim_end().to_owned())
    }

    /// The condition expression; None where there is no condition.
    pub(crate) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    /// The placeholders of attribute names; None where there are none.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// The placeholders of values; None where there are none.
    pub(crate) fn values(&self) -> Option<Attributes> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}
