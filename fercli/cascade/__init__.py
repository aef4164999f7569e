"""From folders of images to a ``cascade.xml`` that ``cv2.CascadeClassifier`` loads."""
