//! Paths: names given and taken, metadata, extended attributes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ring_io_ops::proactor::{Files, OpError, OpenOptions};
use ring_io_ops::{RenameFlags, XattrFlags};

use super::Runner;

fn proactor() -> Runner {
    Runner::new().expect("a proactor")
}

#[test]
fn names_are_made_moved_and_removed() {
    let proactor = proactor();
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    proactor.block_on(async {
        proactor
            .create_dir_with(at("dir"), 0o700)
            .await
            .expect("a folder");
        assert_eq!(
            at("dir")
                .metadata()
                .expect("it is there")
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
        std::fs::write(at("a"), "content").expect("a file");
        proactor
            .hard_link(at("a"), at("b"))
            .await
            .expect("a second name");
        proactor.symlink("a", at("c")).await.expect("a link");
        assert_eq!(
            std::fs::read_link(at("c")).expect("a link").to_str(),
            Some("a")
        );
        proactor
            .rename(at("b"), at("dir/b"))
            .await
            .expect("another name");
        assert_eq!(std::fs::read(at("dir/b")).expect("the file"), b"content");
        proactor
            .remove_file(at("c"))
            .await
            .expect("no link any more");
        proactor
            .remove_file(at("dir/b"))
            .await
            .expect("no second name any more");
        proactor
            .remove_dir(at("dir"))
            .await
            .expect("no folder any more");
    });
    let left: Vec<_> = folder
        .path()
        .read_dir()
        .expect("the folder")
        .map(|entry| entry.expect("one").path())
        .collect();
    assert_eq!(left, [at("a")]);
}

#[test]
fn errors_of_names_are_the_kernels() {
    let proactor = proactor();
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "").expect("a file");
    std::fs::write(at("other"), "").expect("a file");
    let errors = proactor.block_on(async {
        [
            proactor.create_dir(at("file")).await,
            proactor.remove_dir(at("file")).await,
            proactor.remove_file(at("none")).await,
            proactor.rename(at("none"), at("x")).await,
            proactor
                .rename_with(at("file"), at("other"), RenameFlags::NOREPLACE)
                .await,
            proactor.hard_link(at("file"), at("other")).await,
            proactor.symlink("file", at("other")).await,
        ]
    });
    let errors = errors.map(|result| result.expect_err("an error").errno().raw());
    let expected = [
        libc::EEXIST,
        libc::ENOTDIR,
        libc::ENOENT,
        libc::ENOENT,
        libc::EEXIST,
        libc::EEXIST,
        libc::EEXIST,
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_zero_byte_in_either_path_is_refused() {
    let proactor = proactor();
    proactor.block_on(async {
        assert_eq!(proactor.rename("a\0", "b").await, Err(OpError::ZeroByte));
        assert_eq!(proactor.rename("a", "b\0").await, Err(OpError::ZeroByte));
        assert_eq!(
            proactor.metadata("a\0").await.map(drop),
            Err(OpError::ZeroByte)
        );
        let failed = proactor
            .set_xattr("a", "user.\0", vec![5], XattrFlags::empty())
            .await
            .expect_err("a zero byte");
        assert_eq!((failed.error, failed.value), (OpError::ZeroByte, vec![5]));
    });
    assert_eq!(proactor.counters().submitted, 0);
}

#[test]
fn metadata_is_what_the_standard_library_says() {
    let proactor = proactor();
    let folder = tempfile::tempdir().expect("a folder");
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, vec![1; 5000]).expect("a file");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let expected = file.metadata().expect("the file's");
    proactor.block_on(async {
        let metadata = proactor.metadata(&link).await.expect("the file's");
        assert!(metadata.is_file() && !metadata.is_symlink());
        assert_eq!(metadata.len(), 5000);
        assert_eq!(
            (
                metadata.mode(),
                metadata.ino(),
                metadata.uid(),
                metadata.gid(),
                u64::from(metadata.nlink())
            ),
            (
                expected.mode(),
                expected.ino(),
                expected.uid(),
                expected.gid(),
                expected.nlink()
            )
        );
        assert_eq!(
            (metadata.blocks(), u64::from(metadata.block_size())),
            (expected.blocks(), expected.blksize())
        );
        assert_eq!(metadata.modified(), expected.modified().expect("a time"));
        assert_eq!(metadata.created(), expected.created().ok());
        assert!(
            proactor
                .symlink_metadata(&link)
                .await
                .expect("the link's")
                .is_symlink()
        );
        let error = proactor
            .metadata(folder.path().join("none"))
            .await
            .expect_err("no such file");
        assert_eq!(error.errno().raw(), libc::ENOENT);
    });
}

#[test]
fn an_attribute_is_read_as_it_was_set() {
    let proactor = proactor();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path();
    proactor.block_on(async {
        let value = match proactor
            .set_xattr(path, "user.a", b"value".to_vec(), XattrFlags::CREATE)
            .await
        {
            Err(failed) if failed.errno().raw() == libc::EOPNOTSUPP => {
                assert_eq!(failed.value, b"value");
                return super::skip("the temporary folder's file system has no attributes");
            }
            result => result.expect("the attribute is set"),
        };
        assert_eq!(value, b"value");
        let open = proactor
            .open(path, OpenOptions::new().read(true))
            .await
            .expect("the file");
        let (n, value) = open
            .xattr("user.a", Vec::with_capacity(32))
            .await
            .expect("its value");
        assert_eq!((n, value.as_slice()), (5, b"value".as_slice()));
        let (n, empty) = proactor
            .xattr(path, "user.a", Vec::new())
            .await
            .expect("its length");
        assert_eq!((n, empty.len()), (5, 0));
        let failed = proactor
            .xattr(path, "user.a", Box::new([9; 2]))
            .await
            .expect_err("too small");
        assert_eq!(
            (failed.errno().raw(), *failed.value),
            (libc::ERANGE, [9; 2])
        );
        let failed = open
            .set_xattr("user.a", "again", XattrFlags::CREATE)
            .await
            .expect_err("it is there");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EEXIST, "again")
        );
    });
}
