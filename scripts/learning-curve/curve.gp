# Draws losses and precision over steps, with TensorFlow's for comparison (scripts/learning-curve.sh passes the files).
set terminal pngcairo size 1000,420 font "sans,10"
set output output
set datafile separator ","
set key autotitle columnhead
set multiplot layout 1,2
set logscale x
set grid
set xlabel "step (128 images each)"
set title "mean loss since the mark before"
plot curve using 1:2 with linespoints lw 2 title "cifar10\\_mpi, total", \
     curve using 1:3 with linespoints lw 2 title "cifar10\\_mpi, cross-entropy", \
     reference using 1:2 with points pt 6 ps 1.6 lw 2 title "TensorFlow 2.21, total", \
     reference using 1:3 with points pt 4 ps 1.6 lw 2 title "TensorFlow 2.21, cross-entropy"
set key bottom right
set title "precision \\@ 1 on the 10,000 test images"
plot curve using 1:4 with linespoints lw 2 title "cifar10\\_mpi, EMA", \
     curve using 1:5 with linespoints lw 2 title "cifar10\\_mpi, raw", \
     reference using 1:4 with points pt 6 ps 1.6 lw 2 title "TensorFlow 2.21, EMA"
unset multiplot
