//! ActionCable frames, exactly.
