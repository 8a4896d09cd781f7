//! The sockets of the API: the home's own, and one for the staff if the configuration names it.
//!
//! Invariant: a path is taken over only from a socket on which nobody listens; both sockets serve
//! one router, which learns from the kernel who calls.
//! Not here: the daemon's life (`daemon`), who may what (`baraza_server`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt, chown},
    path::Path,
    sync::Arc,
};

use axum::{Router, middleware};
use baraza_api::{ErrorBody, ErrorCode};
use tokio::{net::UnixListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    home::{Home, file_error},
    staff::{self, Connection, Staff},
};

/// Longest path of a Unix socket on Linux, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Opens the sockets: the home's for its owner alone, and the staff's for their group.
pub(crate) fn listen(home: &Home, staff: &Staff) -> Result<Vec<UnixListener>, ErrorBody> {
    let own = home.socket();
    is_short(&own, "choose a home with a shorter path")?;
    let for_group = match (&staff.socket, &staff.group) {
        (Some(path), Some(group)) => Some(listen_for_group(path, group)?),
        _ => None,
    };
    // We hold the store's lock: a socket that is there belongs to nobody.
    let own =
        bind(&own, 0o600).map_err(|error| file_error("cannot open the socket", &own, &error))?;
    Ok(std::iter::once(own).chain(for_group).collect())
}

/// Removes the sockets.
pub(crate) fn remove(home: &Home, staff: &Staff) {
    let _ = fs::remove_file(home.socket());
    if let Some(path) = &staff.socket {
        let _ = fs::remove_file(path);
    }
}

/// Serves a router on sockets until `stop`. The tasks end when their last connection has.
pub(crate) fn serve(
    listeners: Vec<UnixListener>,
    router: Router,
    staff: Staff,
    stop: &CancellationToken,
) -> Vec<JoinHandle<io::Result<()>>> {
    let identify = middleware::from_fn_with_state(Arc::new(staff), staff::identify);
    let router = router.layer(identify);
    let serve = |listener| {
        let service = router.clone().into_make_service_with_connect_info::<Connection>();
        let stop = stop.clone();
        tokio::spawn(async move {
            axum::serve(listener, service)
                .with_graceful_shutdown(async move { stop.cancelled().await })
                .await
        })
    };
    listeners.into_iter().map(serve).collect()
}

fn listen_for_group(path: &Path, group: &str) -> Result<UnixListener, ErrorBody> {
    is_short(path, "choose a shorter staff.socket in config.toml")?;
    let gid = staff::group_id(group).ok_or_else(|| {
        ErrorBody::new(ErrorCode::Home, format!("staff.group: there is no group `{group}`"))
            .with_hint(format!("make it: groupadd {group}"))
    })?;
    let failed = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => {
                "make its folder, or have systemd make it: RuntimeDirectory="
            }
            io::ErrorKind::AddrInUse => "choose another staff.socket in config.toml",
            _ => "the account of the node must be able to write there and be in the group",
        };
        file_error("cannot open the staff's socket", path, &error).with_hint(hint)
    };
    is_free(path).map_err(failed)?;
    let listener = bind(path, 0o600).map_err(failed)?;
    chown(path, None, Some(gid)).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}

fn is_short(path: &Path, hint: &str) -> Result<(), ErrorBody> {
    let bytes = path.as_os_str().len();
    if bytes <= SOCKET_PATH_BYTES_MAX {
        return Ok(());
    }
    let what = format!(
        "the path of the socket, {}, has {bytes} bytes, the limit is {SOCKET_PATH_BYTES_MAX}",
        path.display()
    );
    Err(ErrorBody::new(ErrorCode::Home, what).with_hint(hint))
}

/// Checks that nothing but a socket without a listener would be taken away.
fn is_free(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type(),
    };
    let in_use = |what| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !kind.is_socket() {
        return in_use("something that is no socket is there");
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => in_use("another program listens there"),
    }
}

fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        assert!(is_free(&path).is_ok(), "nothing is there");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(is_free(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(is_free(&path).is_ok(), "left behind");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody's file").unwrap();
        assert_eq!(is_free(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
    }
}
