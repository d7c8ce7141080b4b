mod model;

pub(crate) use model::Modality;
