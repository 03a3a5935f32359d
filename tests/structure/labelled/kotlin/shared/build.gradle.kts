plugins {
    kotlin("multiplatform")
}
