"""What every room uses and nothing of the field: files, images, boxes, parallel work, plots."""
