//! The files that we create: who may read them, who owns them, how they are replaced. Rows and statements are not for everybody on the
//! machine.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;

/// The permissions of the files that we create (`file_mode`). A file that exists already keeps its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode {
    bits: u32,
    /// Given explicitly, so the umask takes nothing away.
    exact: bool,
}

impl Default for FileMode {
    /// `0640`, or less where the umask says so.
    fn default() -> Self {
        Self { bits: 0o640, exact: false }
    }
}

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected rights as chmod takes them in octal, such as 0640";
        let digits = text.strip_prefix("0o").unwrap_or(text);
        if !(3..=4).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(expected.to_owned());
        }
        let bits = u32::from_str_radix(digits, 8).map_err(|_| expected.to_owned())?;
        if bits & 0o600 != 0o600 {
            return Err(format!("{expected}; the owner must be able to read and write"));
        }
        if bits & !0o666 != 0 {
            return Err(format!("{expected}; these files are read and written, not executed"));
        }
        Ok(Self { bits, exact: true })
    }
}

impl FileMode {
    /// For this program's user alone.
    pub(crate) const PRIVATE: Self = Self { bits: 0o600, exact: true };

    /// Opens a file as `options` say; creates it with these permissions if it does not exist.
    pub(crate) fn open_or_create(self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        let is_new = matches!(fs::metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound);
        let file = options.clone().create(true).mode(self.bits).open(path)?;
        if is_new && self.exact {
            set_rights(&file, self.bits)?;
        }
        Ok(file)
    }

    /// Creates the file, or truncates the existing one.
    pub(crate) fn create(self, path: &Path) -> io::Result<File> {
        self.open_or_create(path, OpenOptions::new().write(true).truncate(true))
    }

    /// Creates the file at `path`, which will replace the one at `old`: it gets that one's permissions, whoever set them.
    pub(crate) fn create_instead_of(self, old: &Path, path: &Path) -> io::Result<File> {
        let Ok(old) = fs::metadata(old) else {
            return self.create(path);
        };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        set_rights(&file, old.permissions().mode() & 0o777)?;
        Ok(file)
    }

    /// Creates the folder and its parents for files with these permissions: who may read the files may list it.
    pub(crate) fn create_folders(self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(self.folder_bits()).create(path)
    }

    /// Creates only the folder itself.
    pub(crate) fn create_folder(self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(self.folder_bits()).create(path)
    }

    fn folder_bits(self) -> u32 {
        self.bits | (self.bits & 0o444) >> 2
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Returns when the current entry of `path` in its folder, or its absence, is on disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync_folder(folder_of(path))
}

/// Returns when the current entries of the folder are on disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    sync(&File::open(folder)?)
}

/// Returns when what was written to a file is on disk. Pipes, sockets and devices such as `/dev/null` have nothing to sync, and some file
/// systems cannot sync folders (fsync(2): EINVAL, EROFS): that is no error.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, ReadOnlyFilesystem, Unsupported};
    match file.sync_data() {
        Err(error) if matches!(error.kind(), InvalidInput | ReadOnlyFilesystem | Unsupported) => Ok(()),
        result => result,
    }
}

/// Replaces the file at `path` so that there is always a complete one, whenever the machine goes down: the new one is first written
/// next to it (`PATH.new`). Everything is on disk when this returns.
pub(crate) fn replace(path: &Path, mode: FileMode, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    replace_with(path, mode, true, write)
}

/// As [`replace`]; unless `durable`, it survives the end of the process, and perhaps not that of the machine.
pub(crate) fn replace_with(
    path: &Path,
    mode: FileMode,
    durable: bool,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let mut file = mode.create_instead_of(path, beside)?;
    write(&mut file)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(beside, path)?;
    if durable { sync_folder_of(path) } else { Ok(()) }
}

/// Takes the file at `path`, which is created if it does not exist, for this process: no other process gets it while the returned file
/// is kept.
///
/// # Errors
///
/// `WouldBlock` if another process has it. A file system without locks is not an error.
pub(crate) fn lock(path: &Path, mode: FileMode) -> io::Result<File> {
    let file = mode.open_or_create(path, OpenOptions::new().append(true))?;
    try_lock(&file).map(|()| file)
}

/// Takes an open file for this process; see [`lock`].
pub(crate) fn try_lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        // A file system without locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Reads a file that is a secret, of at most `longest` bytes.
///
/// # Errors
///
/// What is wrong with it, for people: it is not there, no file, too long, or others than its owner may read or change it.
pub(crate) fn read_secret(path: &Path, longest: u64) -> Result<Vec<u8>, String> {
    let cannot_read = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(cannot_read)?;
    let metadata = file.metadata().map_err(cannot_read)?;
    if !metadata.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let rights = metadata.permissions().mode() & 0o777;
    // A group may read what is root's, as PostgreSQL has it for private keys: that is how secrets are mounted for one user.
    let too_much = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if rights & too_much != 0 {
        return Err(format!(
            "others may use {0} (rights {rights:04o}): chmod 600 {0}, and take another key if they may have read it",
            path.display()
        ));
    }
    if metadata.len() > longest {
        return Err(format!("{} has more than {longest} bytes", path.display()));
    }
    let mut content = Vec::new();
    file.take(longest).read_to_end(&mut content).map_err(cannot_read)?;
    Ok(content)
}

/// Some file systems have one set of permissions for all files and refuse to change it, even to the current one.
fn set_rights(file: &File, bits: u32) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & 0o777 == bits {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn rights_are_written_in_octal() {
        for (text, bits) in [("0640", 0o640), ("600", 0o600), ("0o664", 0o664)] {
            assert_eq!(text.parse::<FileMode>().unwrap().bits, bits);
        }
        for text in ["", "640 ", "0888", "0440", "0750", "4640", "rw-r-----", "-640", "00640"] {
            assert!(text.parse::<FileMode>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_asked_for_is_given_whatever_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let open: FileMode = "0666".parse().unwrap();
        open.create(&path).unwrap();
        assert_eq!(rights(&path), 0o666);
        // A file that is there keeps its rights.
        FileMode::default().create(&path).unwrap();
        assert_eq!(rights(&path), 0o666);
        let beside = folder.path().join("beside");
        FileMode::default().create_instead_of(&path, &beside).unwrap();
        assert_eq!(rights(&beside), 0o666);
        let other = folder.path().join("other");
        FileMode::default().create_instead_of(&folder.path().join("none"), &other).unwrap();
        assert_eq!(rights(&other) & !0o640, 0);
        let deep = folder.path().join("a/b");
        FileMode::default().create_folders(&deep).unwrap();
        assert_eq!(rights(&deep) & !0o750, 0);
    }

    #[test]
    fn a_secret_is_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let said = |path: &Path, longest| read_secret(path, longest).unwrap_err();
        assert!(said(&path, 9).starts_with("cannot read ") && said(folder.path(), 9).ends_with(" is no file"));
        fs::write(&path, "0123456789").unwrap();
        for rights in [0o604, 0o644, 0o602, 0o620, 0o601] {
            fs::set_permissions(&path, Permissions::from_mode(rights)).unwrap();
            assert!(said(&path, 99).contains("others may use"), "{rights:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read_secret(&path, 10).unwrap(), b"0123456789");
        assert!(said(&path, 9).ends_with("more than 9 bytes"));
    }
}
