//! The modules of a crate and their imports.
//!
//! In: Rust files, by their paths in `src/`. Out: [`Import`]s, from the file that contains them to the file that
//! defines the item: a name that a folder's file re-exports from a child leads to the child. Code under `#[cfg(test)]`
//! is left out.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Expr, File, Item, ItemUse, Macro, Path, Token, UseTree,
    punctuated::Punctuated,
    visit::{self, Visit},
};

/// A module's path from the root of the crate; empty for `lib.rs`.
pub type Module = Vec<String>;

/// One file uses an item of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub from: Module,
    pub to: Module,
    /// As written.
    pub text: String,
}

/// All modules of a crate.
pub struct Modules(BTreeMap<Module, Contents>);

#[derive(Default)]
struct Contents {
    /// Every path in the file, in `use` or in code.
    paths: BTreeSet<Vec<String>>,
    /// Aliases: `use x::y as z`.
    names: BTreeMap<String, Vec<String>>,
    /// `use x::*`.
    globs: Vec<Vec<String>>,
    /// The items defined in the file.
    items: BTreeSet<String>,
}

impl Modules {
    /// Reads files, each as its path in `src/` and its text.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let parse =
            |(path, text)| (module_of(path), syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}")));
        let files: BTreeMap<Module, File> = files.into_iter().map(parse).collect();
        let mut tests = BTreeSet::new();
        for (module, file) in &files {
            for item in &file.items {
                if let Item::Mod(declared) = item
                    && is_for_tests(&declared.attrs)
                {
                    tests.insert([module.as_slice(), &[declared.ident.to_string()]].concat());
                }
            }
        }
        let belongs_to_tests = |module: &Module| (0..=module.len()).any(|end| tests.contains(&module[..end]));
        let read = |(module, file): (Module, File)| {
            let mut contents = Contents::default();
            contents.visit_file(&file);
            (module, contents)
        };
        Self(files.into_iter().filter(|(module, _)| !belongs_to_tests(module)).map(read).collect())
    }

    /// Every import between two files, once for each written path.
    pub fn imports(&self) -> BTreeSet<Import> {
        let mut found = BTreeSet::new();
        for (from, contents) in &self.0 {
            for path in &contents.paths {
                if let Some(to) = self.resolve(from, path, 8)
                    && to != *from
                {
                    found.insert(Import { from: from.clone(), to, text: path.join("::") });
                }
            }
        }
        found
    }

    /// The module that defines the item at `path`, as seen from `from`; `None` if that is outside of the crate.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (mut at, rest) = self.begin(from, path)?;
        for (place, name) in rest.iter().enumerate() {
            let child = [at.as_slice(), std::slice::from_ref(name)].concat();
            if self.0.contains_key(&child) {
                at = child;
                continue;
            }
            let contents = &self.0[&at];
            if depth == 0 || contents.items.contains(name) {
                break;
            }
            if let Some(meant) = contents.names.get(name) {
                let path = [meant.as_slice(), &rest[place + 1..]].concat();
                return self.resolve(&at, &path, depth - 1);
            }
            let defines =
                |module: &Module| self.0[module].items.contains(name) || self.0[module].names.contains_key(name);
            let globs = contents.globs.iter().filter_map(|glob| self.resolve(&at, glob, depth - 1));
            if let Some(module) = globs.into_iter().find(defines) {
                return self.resolve(&module, &[&["self".to_owned()], &rest[place..]].concat(), depth - 1);
            }
            break;
        }
        Some(at)
    }

    /// The module at which a path begins, and the rest.
    fn begin<'a>(&self, from: &Module, path: &'a [String]) -> Option<(Module, &'a [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Module::new(), rest)),
            "self" => Some((from.clone(), rest)),
            "super" => {
                let up = rest.iter().take_while(|name| *name == "super").count();
                let above = from.len().checked_sub(1 + up)?;
                Some((from[..above].to_vec(), &rest[up..]))
            }
            child => {
                self.0.contains_key(&[from.as_slice(), &[child.to_owned()]].concat()).then(|| (from.clone(), path))
            }
        }
    }
}

/// `hub/shard.rs` and `hub/shard/mod.rs` are `hub::shard`; `lib.rs` is the root.
fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs");
    if path == "lib" { Module::new() } else { path.split('/').map(str::to_owned).collect() }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let says_test = |attribute: &Attribute| attribute.parse_args::<Path>().is_ok_and(|path| path.is_ident("test"));
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") && says_test(attribute))
}

impl Visit<'_> for Contents {
    fn visit_item(&mut self, item: &Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Mod(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            self.items.extend(name.map(ToString::to_string));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        self.add_use(Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &Path) {
        self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// Most macros take expressions.
    fn visit_macro(&mut self, call: &Macro) {
        if let Ok(arguments) = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            arguments.iter().for_each(|argument| self.visit_expr(argument));
        }
    }
}

impl Contents {
    fn add_use(&mut self, mut before: Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_use(before, &path.tree);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(before.clone(), tree)),
            UseTree::Name(name) => self.add_name(before, &name.ident.to_string(), None),
            UseTree::Rename(name) => self.add_name(before, &name.ident.to_string(), Some(name.rename.to_string())),
            UseTree::Glob(_) => {
                self.paths.insert(before.clone());
                self.globs.push(before);
            }
        }
    }

    fn add_name(&mut self, mut path: Vec<String>, name: &str, renamed: Option<String>) {
        if name != "self" {
            path.push(name.to_owned());
        }
        if let Some(last) = path.last().cloned() {
            self.names.insert(renamed.unwrap_or(last), path.clone());
        }
        self.paths.insert(path);
    }
}
