"""What client and servers share: errors, data types, tensors."""
