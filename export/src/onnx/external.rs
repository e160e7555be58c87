//! Weights that a model keeps in a file beside it, as PyTorch's exporter writes them: they are read into the model, and all that follows has one file.
//!
//! A model can name any path. What is read is a plain name in the model's own folder, of a regular file and no link, and in all no more than a model
//! file may have.

use super::MAX_FILE_BYTES;
use super::error::OnnxError;
use super::proto::{ModelProto, TensorProto};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// The bytes of a model with the weights in it that it keeps in files of its `folder`; other bytes as they are.
///
/// # Errors
/// [`OnnxError::ExternalFile`] with the tensor, the name that it gives, and what is there.
pub fn with_external_data(bytes: Vec<u8>, folder: &Path) -> Result<Vec<u8>, OnnxError> {
    let Ok(mut model) = ModelProto::decode(bytes.as_slice()) else { return Ok(bytes) };
    let tensors = model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    let mut files = Files { folder, read: BTreeMap::new(), left_bytes: MAX_FILE_BYTES };
    let mut found = false;
    for tensor in tensors.filter(|tensor| tensor.data_location == EXTERNAL) {
        tensor.raw_data = Some(files.part(tensor)?);
        tensor.data_location = 0;
        tensor.external_data.clear();
        found = true;
    }
    Ok(if found { model.encode_to_vec() } else { bytes })
}

/// The files in which the model in file `path` keeps weights, by name: those that reading it would read.
pub fn files_beside(path: &Path) -> Vec<PathBuf> {
    let is_small = |path: &Path| std::fs::metadata(path).is_ok_and(|about| about.len() <= MAX_FILE_BYTES);
    let bytes = is_small(path).then(|| std::fs::read(path).ok()).flatten();
    let Some(model) = bytes.and_then(|bytes| ModelProto::decode(bytes.as_slice()).ok()) else { return Vec::new() };
    let folder = path.parent().unwrap_or(Path::new(""));
    let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
    let entries = tensors.filter(|tensor| tensor.data_location == EXTERNAL).flat_map(|tensor| &tensor.external_data);
    let names: BTreeSet<&str> = entries.filter(|e| e.key == "location").map(|e| e.value.as_str()).collect();
    names.into_iter().filter_map(|name| place(folder, name).ok()).collect()
}

/// Where the file that a model names lies; else what is there.
fn place(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let mut components = Path::new(name).components();
    let is_plain = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    if !is_plain {
        return Err("a path to somewhere else".into());
    }
    let path = folder.join(name);
    let about = std::fs::symlink_metadata(&path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("a folder, a link or a device".into());
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(format!("a file of {} bytes, above {MAX_FILE_BYTES}", about.len()));
    }
    Ok(path)
}

struct Files<'a> {
    folder: &'a Path,
    /// Whole files by name.
    read: BTreeMap<String, Vec<u8>>,
    /// What tensors may still take of them: any number may name the same bytes.
    left_bytes: u64,
}

impl Files<'_> {
    /// What a tensor keeps elsewhere.
    fn part(&mut self, tensor: &TensorProto) -> Result<Vec<u8>, OnnxError> {
        let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let location = entry("location").unwrap_or_default();
        let refuse =
            |found: String| OnnxError::ExternalFile { tensor: tensor.name.clone(), location: location.into(), found };
        let number = |key: &str| match entry(key) {
            Some(text) => text.parse().map(Some).map_err(|_| refuse(format!("{key} `{text}`"))),
            None => Ok(None),
        };
        let (start, len): (Option<usize>, Option<usize>) = (number("offset")?, number("length")?);
        let file = self.file(location).map_err(refuse)?;
        let start = start.unwrap_or(0);
        let end = len.map_or(Some(file.len()), |len| start.checked_add(len));
        let range = end.and_then(|end| file.get(start..end));
        let part = range.ok_or_else(|| refuse(format!("a file of {} bytes, too short", file.len())))?.to_vec();
        let left_bytes = self.left_bytes.checked_sub(part.len() as u64);
        self.left_bytes = left_bytes.ok_or_else(|| refuse(format!("more than {MAX_FILE_BYTES} bytes in all")))?;
        Ok(part)
    }

    fn file(&mut self, name: &str) -> Result<&[u8], String> {
        if !self.read.contains_key(name) {
            let path = place(self.folder, name)?;
            self.read.insert(name.into(), std::fs::read(&path).map_err(|error| error.to_string())?);
        }
        Ok(self.read.get(name).map_or(&[], Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use super::super::from_file;
    use super::super::proto::{
        GraphProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto, TensorTypeProto,
        TypeProto, ValueInfoProto, data_type,
    };
    use super::*;

    /// A model with one tensor of two floats in another file.
    fn model(entries: &[(&str, &str)]) -> Vec<u8> {
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto { key: (*key).into(), value: (*value).into() };
        let tensor = TensorProto {
            name: "w".into(),
            dims: vec![2],
            data_type: data_type::FLOAT,
            data_location: EXTERNAL,
            external_data: entries.iter().map(entry).collect(),
            ..Default::default()
        };
        let graph = GraphProto { initializer: vec![tensor], ..Default::default() };
        ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn weights_beside_the_model_are_read_into_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("net.onnx.data"), (0..12).collect::<Vec<u8>>()).unwrap();
        let read = |entries: &[(&str, &str)]| {
            let whole = with_external_data(model(entries), folder.path())?;
            let tensor = ModelProto::decode(whole.as_slice()).unwrap().graph.unwrap().initializer.remove(0);
            assert_eq!((tensor.data_location, tensor.external_data.len()), (0, 0));
            Ok(tensor.raw_data.unwrap())
        };
        let here = ("location", "net.onnx.data");
        assert_eq!(read(&[here, ("offset", "4"), ("length", "8")]), Ok((4..12).collect()));
        assert_eq!(read(&[here, ("offset", "10")]), Ok(vec![10, 11]));
        let refused = |entries: &[(&str, &str)]| match read(entries) {
            Err(OnnxError::ExternalFile { found, .. }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&[here, ("offset", "8"), ("length", "8")]), "a file of 12 bytes, too short");
        assert_eq!(
            refused(&[here, ("offset", "18446744073709551615"), ("length", "1")]),
            "a file of 12 bytes, too short"
        );
        assert_eq!(refused(&[here, ("length", "-1")]), "length `-1`");
        for elsewhere in ["../net.onnx.data", "/etc/passwd", "a/b", "", ".", ".."] {
            assert_eq!(refused(&[("location", elsewhere)]), "a path to somewhere else", "{elsewhere}");
        }
        assert!(refused(&[("location", "absent")]).contains("No such file"));
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        assert_eq!(refused(&[("location", "folder")]), "a folder, a link or a device");
    }

    /// The file `net.onnx` in `folder`: x + w, where w are two floats elsewhere.
    fn file(folder: &Path, entries: &[(&str, &str)]) -> PathBuf {
        let mut model = ModelProto::decode(model(entries).as_slice()).unwrap();
        let value = |name: &str| {
            let shape = Some(TensorShapeProto { dim: vec![] });
            let tensor_type = Some(TensorTypeProto { elem_type: data_type::FLOAT, shape });
            ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
        };
        let [input, output] = [["x", "w"].map(String::from).to_vec(), vec!["y".into()]];
        let node = NodeProto { op_type: "Add".into(), input, output, ..Default::default() };
        let graph = model.graph.as_mut().unwrap();
        (graph.node, graph.input, graph.output) = (vec![node], vec![value("x")], vec![value("y")]);
        model.opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 18 }];
        let path = folder.join("net.onnx");
        std::fs::write(&path, model.encode_to_vec()).unwrap();
        path
    }

    #[test]
    fn a_model_has_the_values_of_the_file_beside_it_and_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("net.onnx.data");
        let values = [7.0f32, 1.5, -2.0].map(f32::to_le_bytes).concat();
        std::fs::write(&data, values).unwrap();
        let path = file(folder.path(), &[("location", "net.onnx.data"), ("offset", "4"), ("length", "8")]);
        assert_eq!(from_file(&path).unwrap().initializers["w"].as_f32(), Some([1.5, -2.0].as_slice()));
        assert_eq!(files_beside(&path), [data]);
    }

    /// Paths of a model that is not trusted: none is read, and none is watched by a build.
    #[test]
    fn what_is_not_beside_the_model_is_neither_read_nor_named() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("models");
        std::fs::create_dir(&folder).unwrap();
        let outside = outer.path().join("outside");
        std::fs::write(&outside, [0; 8]).unwrap();
        std::fs::create_dir(folder.join("folder")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        let absolute = outside.to_str().unwrap();
        let refused = |location: &str| {
            let path = file(&folder, &[("location", location)]);
            assert!(files_beside(&path).is_empty(), "{location}");
            let error = from_file(&path).unwrap_err().to_string();
            let named = format!("{}: tensor `w` keeps its data in `{location}`", path.display());
            assert!(error.starts_with(&named), "{error}");
            error
        };
        for elsewhere in ["../outside", "./folder/../../outside", absolute, "folder/x", "..", "."] {
            assert!(refused(elsewhere).contains("found a path to somewhere else"), "{elsewhere}");
        }
        assert!(refused("folder").contains("found a folder, a link or a device"));
        #[cfg(unix)]
        assert!(refused("link").contains("found a folder, a link or a device"));
        assert!(refused("absent").contains("found No such file"));
        assert!(refused("nul\0byte").contains("found "));
    }

    #[test]
    fn parts_beyond_the_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), [0; 12]).unwrap();
        for (offset, length) in [("8", "8"), ("13", "0"), ("0", "18446744073709551615"), ("18446744073709551615", "8")]
        {
            let path = file(folder.path(), &[("location", "data"), ("offset", offset), ("length", length)]);
            let error = from_file(&path).unwrap_err().to_string();
            assert!(error.contains("found a file of 12 bytes, too short"), "{offset} {length}: {error}");
        }
        let path = file(folder.path(), &[("location", "data"), ("length", "18446744073709551616")]);
        assert!(from_file(&path).unwrap_err().to_string().contains("found length `18446744073709551616`"));
        // All of the file, which is not what two floats take.
        let path = file(folder.path(), &[("location", "data")]);
        let error = from_file(&path).unwrap_err().to_string();
        assert!(error.contains("tensor `w` of dimensions [2] needs 8 bytes values, found 12"), "{error}");
    }

    #[test]
    fn other_bytes_stay_as_they_are() {
        for bytes in [vec![], b"{}".to_vec(), ModelProto::default().encode_to_vec()] {
            assert_eq!(with_external_data(bytes.clone(), Path::new(".")), Ok(bytes));
        }
    }
}
