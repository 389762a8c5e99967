use super::*;
use crate::ipvs::captures;
use crate::ipvs::client::request;
use crate::ipvs::plan::Op;
use crate::ipvs::wire::Command;

#[test]
fn only_the_last_message_of_a_batch_is_acknowledged() {
    let mut batch = Batch::default();
    for sequence in 1..=3 {
        push(&mut batch, remove(), sequence);
    }
    batch.ask_acknowledgement();
    let sent: Vec<_> = captures::messages(&batch.bytes)
        .iter()
        .map(|message| (message.header.sequence_number, message.header.flags))
        .collect();
    let (plain, acknowledged) = (NLM_F_REQUEST, NLM_F_REQUEST | NLM_F_ACK);
    assert_eq!(sent, [(1, plain), (2, plain), (3, acknowledged)]);
}

#[test]
fn a_batch_is_bounded_in_messages_and_in_bytes() {
    let mut batch = Batch::default();
    let mut sequence = 0;
    while batch.takes(&remove()) {
        sequence += 1;
        push(&mut batch, remove(), sequence);
    }
    assert_eq!(batch.messages, BATCH_MESSAGES);
    assert!(batch.bytes.len() <= BATCH_BYTES);

    batch.clear();
    let dump = captures::payloads(captures::REAL_SERVERS_OF_IPV4);
    while batch.takes(&dump[0]) {
        push(&mut batch, dump[0].clone(), 1);
    }
    assert!(batch.messages > 1 && batch.messages < BATCH_MESSAGES);
    assert!(batch.bytes.len() <= BATCH_BYTES);
}

#[test]
fn full_buffers_and_missing_answers_are_lost_answers() {
    for errno in [Errno::ENOBUFS, Errno::EAGAIN] {
        let error = io::Error::from(errno);
        assert!(matches!(LinkError::from(error), LinkError::Lost));
    }
    let error = io::Error::from(Errno::EBADF);
    assert!(matches!(LinkError::from(error), LinkError::Io(_)));
}

fn remove() -> Message {
    let id = "fwmark 7".parse().unwrap();
    let message = request::op(&Op::RemoveVirtualServer(id));
    assert_eq!(message.command, Command::DelService);
    message
}

fn push(batch: &mut Batch, message: Message, sequence: u32) {
    batch.push(GenlMessage::from_payload(message), NLM_F_REQUEST, sequence);
}
