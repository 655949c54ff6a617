//! `doctor` before planted faults, each in a place where all else is right: the real program, a sandbox over TLS, and real
//! brokers and databases. Exactly the faulty item must be named. Beside it `init`, whose places `doctor` finds well.

mod brokers;
mod house;
mod init;
mod init_terminal;
mod journals;
mod mesh;
mod surroundings;

#[path = "../amqp/broker.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod amqp_broker;
#[path = "../kafka/broker.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod kafka_broker;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod process;
