// SPDX-License-Identifier: BSD-2-Clause
import java.io.RandomAccessFile;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;

/*
 * Memory outside Java's heap, made in every way, by a program that knows its own frames.
 *
 *   places JNI-LIBRARY FILE   one mapping for each place, each of another size: a line each, with the
 *                             size and the frames, "class.method@file:line …", innermost first
 *   keepers SEED BUFFERS [MS] direct buffers of 1 MiB, kept by leak() and cache() at random turns, with so long a
 *                             pause after each: "BYTES BYTES"
 *   touches                   48 MiB of Unsafe's, of which most() touches three quarters and some() the rest
 *   garbage                   objects that live long enough to be copied by the collector
 *
 * Then it waits for a line, or ends with its standard input.
 */
public class JavaPlaces {
    static final int STEP = 64 << 10;
    static final List<Object> kept = new ArrayList<>();
    static final StackWalker WALKER = StackWalker.getInstance(StackWalker.Option.SHOW_HIDDEN_FRAMES);
    static final sun.misc.Unsafe UNSAFE = unsafe();
    static int next = 32;

    static native void mapHere(long bytes);
    static native void callBack(int depth);

    static sun.misc.Unsafe unsafe() {
        try {
            Field field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return (sun.misc.Unsafe) field.get(null);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    static String text(StackWalker.StackFrame frame) {
        return frame.getClassName() + "." + frame.getMethodName() + "@" + frame.getFileName() + ":" + frame.getLineNumber();
    }

    /* Tells the frames of its caller, and a size that no other place has. */
    static int tell() {
        int bytes = next++ * STEP;
        System.out.println(bytes + " " + WALKER.walk(frames -> frames.skip(1).map(JavaPlaces::text)
            .map(s -> s.replace(' ', '_')).collect(Collectors.joining(" "))));
        return bytes;
    }

    // What is told and what is made stands on one line, so that both have the same one.
    static void direct() { kept.add(ByteBuffer.allocateDirect(tell())); }

    static void raw() { kept.add(UNSAFE.allocateMemory(tell())); }

    static void mapped(String file) throws Exception {
        try (RandomAccessFile f = new RandomAccessFile(file, "rw")) {
            FileChannel channel = f.getChannel();
            int bytes = (next) * STEP;
            f.setLength(bytes);
            kept.add(channel.map(FileChannel.MapMode.READ_WRITE, 0, tell()));
        }
    }

    static void thread() {
        new Thread(null, () -> { synchronized (kept) { } sleep(); }, "keeper", tell()).start();
    }

    static void sleep() {
        try {
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    static void jni() { mapHere(tell()); }

    // Called from machine code.
    static void calledBack(int depth) {
        if (depth > 0)
            callBack(depth - 1);
        else
            direct();
    }

    static int small(int i) { return smaller(i) + 1; }

    static int smaller(int i) { return i < 0 ? smallest() : i; }

    static int smallest() { raw(); return 0; }

    static void deep(int n) {
        if (n == 0)
            raw();
        else
            deep(n - 1);
    }

    interface Shape { void make(); }

    static class Square implements Shape {
        @Override public void make() { raw(); }
    }

    static class Round extends Square {
        Round() { super(); direct(); }
        @Override public synchronized void make() { super.make(); }
    }

    static class Initialised {
        static final int ZERO;
        static { raw(); ZERO = 0; }
    }

    static void failing() {
        try {
            throw new IllegalStateException();
        } catch (IllegalStateException e) {
            raw();
        } finally {
            direct();
        }
    }

    static void manyArguments(long a, double b, Object c, int d, long e, long f, long g, Object h, double i) {
        if (a + b + d + e + f + g + i > 0 && c != h)
            raw();
    }

    static void in(Shape shape) { shape.make(); }

    static void lambdas(IntConsumer consumer) { consumer.accept(1); }

    static void places(String file) throws Exception {
        Method method = JavaPlaces.class.getDeclaredMethod("raw");
        int warm = 0;

        direct();
        raw();
        mapped(file);
        thread();
        jni();
        callBack(3);
        // So often that the compiler inlines them, if there is one.
        for (int i = 0; i < 200_000; i++)
            warm += small(i);
        small(-1);
        deep(40);
        in(new Square());
        in(new Round());
        warm += Initialised.ZERO;
        failing();
        manyArguments(1, 2.0, "x", 3, 4, 5, 6, null, 7.0);
        lambdas(i -> direct());
        lambdas(new IntConsumer() { @Override public void accept(int i) { raw(); } });
        method.invoke(null);
        List.of(1, 2).forEach(i -> { if (i == 2) raw(); });
        Thread worker = new Thread(JavaPlaces::direct, "worker");
        worker.start();
        worker.join();
        kept.add(warm);
    }

    static void leak() { kept.add(ByteBuffer.allocateDirect(1 << 20)); }

    static void cache() { kept.add(ByteBuffer.allocateDirect(1 << 20)); }

    static void keepers(long seed, int buffers, int pause) throws InterruptedException {
        Random random = new Random(seed);
        int leaked = 0;

        for (int i = 0; i < buffers; i++) {
            if (random.nextInt(4) > 0) {
                leak();
                leaked++;
            } else {
                cache();
            }
            Thread.sleep(pause);
        }
        System.out.println(((long) leaked << 20) + " " + ((long) (buffers - leaked) << 20));
    }

    static void fill(long address, long bytes) {
        for (long i = 0; i < bytes; i += 4096)
            UNSAFE.putByte(address + i, (byte) 1);
    }

    static void most(long address) { fill(address, 36 << 20); }

    static void some(long address) { fill(address + (36 << 20), 12 << 20); }

    static void touches() {
        long address = UNSAFE.allocateMemory(48 << 20);

        most(address);
        some(address);
    }

    // A third of a list lives on from one round to the next.
    static void garbage() {
        Object[] live = new Object[20_000];
        Random random = new Random(1);

        for (int i = 0; i < 600_000; i++)
            live[random.nextInt(live.length)] = new byte[1000];
        kept.add(live);
    }

    public static void main(String[] words) throws Exception {
        switch (words[0]) {
        case "places":
            System.load(words[1]);
            places(words[2]);
            break;
        case "keepers":
            keepers(Long.parseLong(words[1]), Integer.parseInt(words[2]),
                words.length > 3 ? Integer.parseInt(words[3]) : 0);
            break;
        case "touches":
            touches();
            break;
        case "garbage":
            garbage();
            break;
        default:
            throw new IllegalArgumentException(words[0]);
        }
        System.out.println("ready");
        System.in.read();
        System.exit(0);
    }
}
