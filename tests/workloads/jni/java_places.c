// SPDX-License-Identifier: BSD-2-Clause
/* What JavaPlaces.java calls: it maps memory, or calls Java back through functions of its own. */
#include <jni.h>
#include <sys/mman.h>

__attribute__((noinline)) static void map_there(jlong bytes)
{
	mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

JNIEXPORT void JNICALL Java_JavaPlaces_mapHere(JNIEnv *env, jclass class, jlong bytes)
{
	map_there(bytes);
	__asm__ volatile("");
}

__attribute__((noinline)) static void call_java(JNIEnv *env, jclass class, jint depth)
{
	jmethodID method = (*env)->GetStaticMethodID(env, class, "calledBack", "(I)V");

	(*env)->CallStaticVoidMethod(env, class, method, depth);
	__asm__ volatile("");
}

JNIEXPORT void JNICALL Java_JavaPlaces_callBack(JNIEnv *env, jclass class, jint depth)
{
	call_java(env, class, depth);
	__asm__ volatile("");
}
