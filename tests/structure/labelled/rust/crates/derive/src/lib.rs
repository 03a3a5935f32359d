use proc_macro::TokenStream;

mod entity;

#[proc_macro_derive(Entity)]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    entity::expand(input)
}
