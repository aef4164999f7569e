"""Photographs without faces that packages carry, by their names in them.

Each was looked at. Left out are those that show a face or part of one, drawn ones too, screens of
programs, charts, and further views of what another photograph shows.
"""

from __future__ import annotations

#: Of OpenCV's source, by their path in its folder.
OPENCV_PHOTOGRAPHS = (
    *(f"samples/data/{name}" for name in (
        "aero1.jpg", "aero3.jpg", "aloeL.jpg", "apple.jpg", "baboon.jpg", "blox.jpg", "board.jpg",
        "box.png", "box_in_scene.png", "building.jpg", "butterfly.jpg", "cards.png",
        "chicky_512.png", "digits.png", "fruits.jpg", "home.jpg", "imageTextN.png", "left.jpg",
        "left01.jpg", "left03.jpg", "left12.jpg", "licenseplate_motion.jpg", "notes.png",
        "orange.jpg", "pca_test1.jpg", "rubberwhale1.png", "smarties.png", "starry_night.jpg",
        "stuff.jpg", "text_defocus.jpg", "text_motion.jpg",
    )),
    "samples/cpp/tutorial_code/calib3d/real_time_pose_estimation/Data/resized_IMG_3875.JPG",
    "doc/js_tutorials/js_assets/coins.jpg",
    "doc/js_tutorials/js_assets/handDst.jpg",
    "doc/py_tutorials/py_photo/py_hdr/images/fusion_mertens.jpg",
    "doc/py_tutorials/py_feature2d/py_features_meaning/images/feature_building.jpg",
    "doc/tutorials/core/basic_linear_transform/images/"
    "Basic_Linear_Transform_Tutorial_gamma_correction.jpg",
    "doc/tutorials/dnn/dnn_android/11_demo.jpg",
    "doc/tutorials/dnn/images/space_shuttle.jpg",
    "doc/tutorials/imgcodecs/images/gdal-io.jpg",
    "doc/tutorials/imgproc/anisotropic_image_segmentation/images/gst_input.jpg",
    "doc/tutorials/imgproc/erosion_dilatation/images/Morphology_1_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/histograms/histogram_calculation/images/"
    "Histogram_Calculation_Original_Image.jpg",
    "doc/tutorials/imgproc/histograms/template_matching/images/"
    "Template_Matching_Template_Theory_Sliding.jpg",
    "doc/tutorials/imgproc/imgtrans/hough_lines/images/Hough_Lines_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/imgtrans/laplace_operator/images/"
    "Laplace_Operator_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/imgtrans/warp_affine/images/Warp_Affine_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/motion_deblur_filter/images/motion_original.jpg",
    "doc/tutorials/imgproc/out_of_focus_deblur_filter/images/original.jpg",
    "doc/tutorials/imgproc/shapedescriptors/bounding_rects_circles/images/"
    "Bounding_Rects_Circles_Source_Image.jpg",
    "doc/tutorials/features2d/trackingmotion/harris_detector/images/"
    "Harris_Detector_Original_Image.jpg",
    "doc/tutorials/photo/images/hdr.png",
    "doc/tutorials/stitching/stitcher/images/boat.jpg",
    "doc/tutorials/stitching/stitcher/images/budapest.jpg",
)  # fmt: skip

#: Of scikit-image's package, in its folder of data.
SKIMAGE_PHOTOGRAPHS = (
    "brick.png", "cell.png", "chelsea.png", "chessboard_GRAY.png", "clock_motion.png",
    "coffee.png", "color.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg",
    "ihc.png", "logo.png", "moon.png", "motorcycle_left.png", "retina.jpg",
    "rocket.jpg", "text.png",
)  # fmt: skip
