//! What the system says of a failure, in the words of this program.

use std::io;

use nix::errno::Errno;

/// `permission denied`: an error of the system without its number, and in lower
/// case; any other error as it calls itself.
pub fn text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_lowercase(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_told_without_its_number() {
        assert_eq!(text(&io::Error::from_raw_os_error(13)), "permission denied");
        assert_eq!(text(&io::Error::other("no Luck")), "no Luck");
    }
}
