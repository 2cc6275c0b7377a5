"""Steps to get the sets that a program may not or cannot fetch.

{folder} stands for the folder of the set, {data} for that of all sets.
"""

IMAGENET = """\
ImageNet may be used for research only, and has to be asked for.
  1. Sign up at https://image-net.org/signup, agree to the terms, and open
     https://image-net.org/download-images, ILSVRC 2012.
  2. Download into {folder}:
       ILSVRC2012_img_train.tar       138 GB, training images (task 1 & 2)
       ILSVRC2012_img_val.tar         6.3 GB, validation images
       ILSVRC2012_devkit_t12.tar.gz   2.5 MB, development kit (task 1 & 2)
  3. Run again: snnlab data get imagenet
     It compares checksums, unpacks to train/<class>/*.JPEG and val/<class>/*.JPEG, such as
     train/n01440764/, and then removes the archives; --keep leaves them.
     Folders that are laid out so already may be put there instead; then nothing has to be run.
  4. snnlab data check imagenet"""
ES_IMAGENET = """\
ES-ImageNet is handed out in parts, from a page without direct links.
  1. Download all parts ES-imagenet-0.18.partNN.rar, about 100 GB, from
     https://cloud.tsinghua.edu.cn/d/94873ab4ec2a4eb497b3
     and compare their checksums with those on that page.
  2. Unpack the first with unrar x or 7z x, which continue with the other parts.
  3. Move what came out to {folder}, so that it holds
       train/class0/class0_1.npz ...   val/ILSVRC2012_val_00000001.npz ...
       trainlabel.txt   vallabel.txt
  4. snnlab data check es-imagenet
It can also be made of ImageNet, by the same rule:
     snnlab data events-from-images {data}/imagenet/train {folder} --split train
     snnlab data events-from-images {data}/imagenet/val {folder} --split val"""
_FILMS = """\
UCF101 comes as a rar of films, under its authors' terms; the server's certificate is often refused.
  1. Download UCF101.rar, 6.9 GB, from https://www.crcv.ucf.edu/data/UCF101.php, and unpack
     it (unrar x, or 7z x) to the films UCF-101/<Class>/v_<Class>_g<group>_c<clip>.avi
"""
_FRAMES = """\
  2. Turn each film into pictures, {folder}/<clip>/frame000001.jpg and so on, such as with ffmpeg:
       for film in UCF-101/*/*.avi; do
         clip={folder}/$(basename "$film" .avi); mkdir -p "$clip"
         ffmpeg -i "$film" -q:v 2 "$clip/frame%06d.jpg"
       done
  3. snnlab data check ucf101
The events of the same films are another set: snnlab data get es-ucf101"""
_EVENTS = """\
  2. snnlab data events-from-video UCF-101 {folder}
     It writes v_<Class>_g<group>_c<clip>.npz. Films are read with PyAV: pip install
     "snnlab[video]". The pictures of ucf101 may take the place of the films.
  3. snnlab data check es-ucf101
Groups 1 to 7 of each class are the test set, as in the first official split."""

UCF101, ES_UCF101 = _FILMS + _FRAMES, _FILMS + _EVENTS
N_CALTECH101 = """\
  1. Download N-Caltech101-archive.zip from https://data.mendeley.com/datasets/cy6cvx3ryv
  2. Unpack it, and Caltech101.zip in it, so that {folder} holds
       Caltech101/<class>/image_0001.bin ...
  3. snnlab data check n-caltech101"""
POKER_DVS = """\
No address of POKER-DVS in this layout is known.
  1. Put the recordings, files .npy of the columns t, x, y and p, into
       {folder}/pips_train/<cl, he, di or sp>/   and   {folder}/pips_test/...
  2. snnlab data check poker-dvs"""
CIFAR10_DVS_RECORDINGS = """\
  1. Run: snnlab data get cifar10-dvs --keep
  2. Move {data}/cifar10-dvs/recordings to {folder}, so that it holds
       airplane/*.aedat4   ...   truck/*.aedat4
  3. snnlab data check cifar10-dvs-recordings"""
