"""`furiosa.optimizer` of 0.10: fuses nothing here."""


def optimize_model(model, input_shapes=None, opset_version=13):
    if model.opset_import[0].version != opset_version:
        raise ValueError(f"opset {model.opset_import[0].version}: expected {opset_version}")
    return model
