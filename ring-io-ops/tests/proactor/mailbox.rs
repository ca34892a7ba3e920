//! Messages between proactors.

use std::rc::Rc;

use ring_io_ops::proactor::{LocalProactor, SendError, mailbox};

#[test]
fn messages_of_a_proactor_on_another_thread_wake_a_sleeping_one_and_keep_their_order() {
    let (to_other, mut from_here) = mailbox::<u32>(1);
    let (to_here, mut from_other) = mailbox::<u32>(1);
    let other = std::thread::spawn(move || {
        let proactor = LocalProactor::new().expect("a proactor");
        proactor.block_on(async {
            while let Some(i) = from_here.receive().await {
                to_here.try_send(i * 2).expect("the other one waits for it");
            }
        });
    });
    let proactor = LocalProactor::new().expect("a proactor");
    proactor.block_on(async {
        for i in 0..1000 {
            to_other.try_send(i).expect("the other one took the last");
            assert_eq!(from_other.receive().await, Some(2 * i));
        }
        drop(to_other);
        assert_eq!(from_other.receive().await, None, "the other one is gone");
    });
    other.join().expect("the other thread");
}

#[test]
fn a_full_mailbox_and_one_that_is_gone_give_the_message_back() {
    let (sender, mut mailbox) = mailbox(2);
    let again = sender.clone();
    let message = Rc::new(());
    sender.try_send(Rc::clone(&message)).expect("room for one");
    again.try_send(Rc::clone(&message)).expect("room for two");
    let full = sender
        .try_send(Rc::clone(&message))
        .expect_err("no room for three");
    assert!(matches!(full, SendError::Full(_)));
    drop(full.into_message());
    assert!(mailbox.try_receive().is_some());
    drop(mailbox);
    assert_eq!(Rc::strong_count(&message), 1, "what nobody read is dropped");
    assert!(matches!(again.try_send(message), Err(SendError::Closed(_))));
}

#[test]
fn the_last_sender_that_goes_wakes_the_reader_on_the_same_thread() {
    let (sender, mut mailbox) = mailbox::<u8>(4);
    let proactor = LocalProactor::new().expect("a proactor");
    proactor.block_on(async {
        let reader = proactor.spawn(async move {
            let mut n = 0;
            while mailbox.receive().await.is_some() {
                n += 1;
            }
            n
        });
        let senders = [sender.clone(), sender];
        for sender in senders {
            drop(proactor.spawn(async move { sender.try_send(1).expect("room") }));
        }
        assert_eq!(reader.await.expect("the task"), 2);
    });
}
