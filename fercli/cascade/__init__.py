"""From folders of pictures to a ``cascade.xml`` that ``cv2.CascadeClassifier`` loads."""
