//! Order on request, on the broker's side: of the messages of one key that a source has taken, the next begins once the one
//! before it was let go. The engine keeps the order of what it was offered; this keeps what is offered in order.

use std::collections::{HashMap, VecDeque};

/// What was taken and has to wait for its turn. Holds no more than the source has taken, which the source bounds.
#[derive(Debug)]
pub struct Turns<T> {
    lines: HashMap<String, VecDeque<T>>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lines: HashMap::new() }
    }
}

impl<T> Turns<T> {
    /// Takes one of `key`. It comes back at once if it may begin; otherwise it waits for [`Self::ended`].
    pub fn admit(&mut self, key: &str, one: T) -> Option<T> {
        match self.lines.get_mut(key) {
            Some(line) => {
                line.push_back(one);
                None
            }
            None => {
                self.lines.insert(key.to_owned(), VecDeque::new());
                Some(one)
            }
        }
    }

    /// One of `key` was let go. The next one, if there is one, may begin.
    pub fn ended(&mut self, key: &str) -> Option<T> {
        let next = self.lines.get_mut(key)?.pop_front();
        if next.is_none() {
            self.lines.remove(key);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_key_at_a_time_and_other_keys_at_once() {
        let mut turns = Turns::default();
        assert_eq!(turns.admit("a", 1), Some(1));
        assert_eq!(turns.admit("a", 2), None);
        assert_eq!(turns.admit("b", 3), Some(3));
        assert_eq!(turns.admit("a", 4), None);
        assert_eq!(turns.ended("a"), Some(2));
        assert_eq!(turns.ended("b"), None);
        assert_eq!(turns.ended("a"), Some(4));
        assert_eq!(turns.ended("a"), None);
        assert!(turns.lines.is_empty(), "a key is kept no longer than its messages");
        assert_eq!(turns.admit("a", 5), Some(5));
    }
}
